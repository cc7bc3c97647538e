#!/usr/bin/env python
"""Django's command line for this tutorial: python manage.py help lists what it can do."""

import os
import sys


def main() -> None:
    """Run the command named in sys.argv; exit with a sentence where Django is not installed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tutorial_project.settings")
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError:
        sys.exit("Django is not installed for this Python: run `make lab` once, then use .venv/bin/python.")
    try:
        execute_from_command_line(sys.argv)
    except ModuleNotFoundError as error:
        sys.exit(f"{error}: run `python3 set_up.py --again`, which installs every package anew.")


if __name__ == "__main__":
    main()
