"""`make bench`: see report.py for what it measures, and how to measure a part."""

import sys
from pathlib import Path

# Trap: a script's own folder is on the path, where this file would hide the package that it belongs to.
TESTS = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(TESTS.parent), str(TESTS.parent / "lessons"), str(TESTS)]

from bench.report import main  # noqa: E402

if __name__ == "__main__":
    main()
