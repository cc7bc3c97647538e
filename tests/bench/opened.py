"""One opening, timed in a process of its own: `python -m bench.opened lesson|bare`."""

# Trap: what is imported here, neither of the two has to import any more.
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time


def lesson() -> None:
    """What the first cell of a lesson does."""
    from tutorial_project.classroom import open_lesson

    open_lesson()


def bare() -> None:
    """`django.setup()` and `migrate` with the same settings."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tutorial_project.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)


def main() -> None:
    """Print the seconds that an opening takes, those of the processor, and the MiB of this process after it."""
    opening = {"lesson": lesson, "bare": bare}[sys.argv[1]]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DJANGO_SQLITE_PATH"] = str(Path(folder) / "db.sqlite3")
        seconds, processor = perf_counter(), process_time()
        opening()
        seconds, processor = perf_counter() - seconds, process_time() - processor
        import json

        import psutil

        memory = psutil.Process().memory_info().rss / 2**20
        print(json.dumps({"seconds": seconds, "processor": processor, "memory": memory}))


if __name__ == "__main__":
    main()
