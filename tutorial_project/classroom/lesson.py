"""Opening a lesson: Django, configured in the kernel's own process."""

from __future__ import annotations

import os
from typing import Any

import django

from .database import SampleDatabase, temporary_folder
from .notebook import watch_cells

SETTINGS = "tutorial_project.settings"


class _Lesson:
    """What `open_lesson` set up in this process, once."""

    database: SampleDatabase | None = None
    overrides: Any = None


def open_lesson(**settings: Any) -> None:
    """Configure Django in this kernel, with the notebook as its URLconf and a database of its own.

    What it does is what `manage.py` does: it names the settings module and calls `django.setup()`.
    Then it points `ROOT_URLCONF` at the notebook, migrates a temporary SQLite database, and fills
    it with the sample data of the travel agency. A second call starts over with fresh data.

    Args:
        settings: Django settings that shall differ in this lesson, such as `DEBUG=True`.

    Raises:
        RuntimeError: when this process already uses another settings module.
    """
    prepare(**settings)
    watch_cells()
    print(
        "Django is ready in this kernel: tutorial_project.settings, URLs from this notebook, a fresh database."
    )


def prepare(**settings: Any) -> SampleDatabase:
    """Do what `open_lesson` does, without a notebook and without a word; return the database."""
    _configure_django()
    _override({"ROOT_URLCONF": "__main__", "DEBUG": False} | settings)
    if _Lesson.database is None:
        _Lesson.database = SampleDatabase()
    else:
        _Lesson.database.restore()
    return _Lesson.database


def _configure_django() -> None:
    if _Lesson.overrides is not None:
        return
    chosen = os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    if chosen != SETTINGS:
        raise RuntimeError(
            f"this kernel uses the settings {chosen}: restart the kernel, then open the lesson"
        )
    _use_temporary_database()
    django.setup()


def _use_temporary_database() -> None:
    from django.conf import settings
    from django.db import connections

    from tutorial_project.settings import sqlite_database

    settings.DATABASES = {"default": sqlite_database(temporary_folder() / "db.sqlite3")}
    # A notebook that has called django.setup() by hand may have read the old setting already.
    connections.__dict__.pop("settings", None)


def _override(settings: dict[str, Any]) -> None:
    from django.test import override_settings

    if _Lesson.overrides is not None:
        _Lesson.overrides.disable()
    _Lesson.overrides = override_settings(**settings)
    _Lesson.overrides.enable()
