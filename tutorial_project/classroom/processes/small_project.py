"""A small Django project whose tests run in a process of their own, from a cell: `%%pytest`, `%%django_tests`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython

from tutorial_project.classroom.data.sample import temporary_folder
from tutorial_project.paths import ROOT

FILES = {
    "settings.py": """\
SECRET_KEY = "for tests only"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "tutorial_project.trips",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
""",
    "manage.py": """\
import os
import sys

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
execute_from_command_line(sys.argv)
""",
    "pytest.ini": """\
[pytest]
DJANGO_SETTINGS_MODULE = settings
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
""",
}
TEST_FILE = "test_agency.py"

# Only these two plugins, whatever else is installed; no tracebacks, a line for each failure.
PYTEST = "-m pytest -p pytest_django.plugin -p pytest_asyncio.plugin -p no:cacheprovider -v --tb=no -rfE --color=no"
DJANGO_TESTS = "manage.py test --verbosity=2 --no-color"


class SmallProject:
    """The files of a project in a temporary folder, which is gone with this process."""

    def __init__(self) -> None:
        self._folder: Path = temporary_folder()
        for name, text in FILES.items():
            (self._folder / name).write_text(text, encoding="utf-8")

    def show(self, name: str) -> None:
        """Print a file of the project, such as "pytest.ini"."""
        print((self._folder / name).read_text(encoding="utf-8"), end="")

    def pytest(self, tests: str, options: str = "") -> None:
        """Run pytest over these tests, and print one line for each of them, then for each failure, then the sum."""
        print(*_told_by_pytest(self._run(f"{PYTEST} {options} {TEST_FILE}", tests)), sep="\n")

    def django_tests(self, tests: str, options: str = "") -> None:
        """Run Django's test runner over these tests; prints what `pytest` does."""
        print(*_told_by_django(self._run(f"{DJANGO_TESTS} {options}", tests)), sep="\n")

    def _run(self, command: str, tests: str, limit: float = 60) -> str:
        # Trap: tests that are replaced within their second would run as they were, from the cache.
        shutil.rmtree(self._folder / "__pycache__", ignore_errors=True)
        (self._folder / TEST_FILE).write_text(tests, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, *shlex.split(command)],
            cwd=self._folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=limit,
        )
        return done.stdout


def open_small_project() -> SmallProject:
    """Make the project, and the two cell magics that write a cell to its test file and run it.

    `%%pytest` and `%%django_tests` take options of the command that they run.
    """
    project = SmallProject()
    shell = get_ipython()
    if shell is not None:
        for name, method in {"pytest": project.pytest, "django_tests": project.django_tests}.items():
            run: Any = _run_by(method)
            shell.register_magic_function(run, "cell", name)
    return project


def _run_by(method: Callable[[str, str], None]) -> Callable[[str, str], None]:
    return lambda line, cell: method(cell, line)


def _environment() -> dict[str, str]:
    # Trap: this process may itself be run by pytest, whose variables would reach the child.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return inherited | {
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
        "PYTHON_COLORS": "0",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "COLUMNS": "300",
    }


def _told_by_pytest(output: str) -> Iterator[str]:
    for line in output.splitlines():
        if " PASSED " in line or " FAILED " in line or " ERROR " in line:
            yield re.sub(r"^\S+?::|\s+\[ *\d+%\]$", "", line)
        elif line.startswith(("FAILED ", "ERROR ")):
            yield re.sub(r" \S+?::(\S+) - ", r" \1: ", line)
    yield re.sub(r"^=+ | in [\d.]+s.*$", "", output.splitlines()[-1])


def _told_by_django(output: str) -> Iterator[str]:
    tests, *failures = re.split(r"^=+\n", output, flags=re.MULTILINE)
    # What a test prints, or a warning, stands between its name and its result.
    for name, result in re.findall(r"^(test_\w+) \((?s:.*?)\b(ok|FAIL|ERROR)$", tests, re.MULTILINE):
        yield f"{name} ... {result}"
    for failure in failures:
        title, traceback = re.split(r"^-+\n", failure, flags=re.MULTILINE)[:2]
        yield f"{title.partition(' (')[0]}: {traceback.strip().splitlines()[-1]}"
    yield [*output.splitlines(), *re.findall(r"^(?:OK|FAILED).*$", output, re.MULTILINE)][-1]
