"""Opening a lesson: Django, configured in the kernel's own process."""

from __future__ import annotations

import os
from typing import Any

import django

from tutorial_project.classroom.data.connections import connect_to
from tutorial_project.classroom.data.sample import SampleDatabase, temporary_folder

from .kernel import watch_cells

SETTINGS = "tutorial_project.settings"


class _Lesson:
    """What `open_lesson` set up in this process, once."""

    configured = False
    sqlite: dict[str, Any]
    databases: dict[str, Any]
    samples: dict[str, SampleDatabase] = {}
    overrides: Any = None
    """Of Django's settings, by the lesson, beside those that hold in every notebook."""


def open_lesson(**settings: Any) -> None:
    """Configure Django in this kernel, with the notebook as its URLconf and a database of its own.

    What it does is what `manage.py` does: it names the settings module and calls `django.setup()`.
    Then it points `ROOT_URLCONF` at the notebook, migrates a temporary SQLite database, and fills
    it with the sample data of the travel agency. A second call starts over with fresh data.

    Args:
        settings: Django settings that shall differ in this lesson, such as `DEBUG=True`, or
            `DATABASES={"default": postgresql()}` for another database than the temporary one.

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
    _use_databases(settings.pop("DATABASES", _Lesson.sqlite))
    _override(settings)
    return fresh_sample_database()


def settings_of_the_lesson() -> dict[str, Any]:
    """What another process needs to know, to have the settings of this lesson: all but the notebook's URLs."""
    overrides = {"DEBUG": False, **(_Lesson.overrides.options if _Lesson.overrides else {})}
    overrides.pop("ROOT_URLCONF", None)
    return {"DATABASES": _Lesson.databases, **overrides}


def fresh_sample_database() -> SampleDatabase:
    """The sample data in the default database, as it was before anything was written."""
    from django.db import connections

    default = connections.settings["default"]
    place = f"{default['ENGINE']} {default['HOST']} {default['NAME']}"
    if place not in _Lesson.samples:
        _Lesson.samples[place] = SampleDatabase()
    else:
        _Lesson.samples[place].restore()
    return _Lesson.samples[place]


def _configure_django() -> None:
    if _Lesson.configured:
        return
    chosen = os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    if chosen != SETTINGS:
        raise RuntimeError(
            f"this kernel uses the settings {chosen}: restart the kernel, then open the lesson"
        )
    from tutorial_project.databases import sqlite_database

    _Lesson.sqlite = {"default": sqlite_database(temporary_folder() / "db.sqlite3")}
    _Lesson.databases = {}
    django.setup()
    from django.conf import settings

    settings.ROOT_URLCONF, settings.DEBUG = "__main__", False
    _Lesson.configured = True


def _use_databases(databases: dict[str, Any]) -> None:
    from django.conf import settings

    if _Lesson.overrides is not None:
        _Lesson.overrides.disable()
        _Lesson.overrides = None
    if databases is not _Lesson.databases:
        settings.DATABASES = _Lesson.databases = databases
        connect_to(databases)


def _override(settings: dict[str, Any]) -> None:
    if not settings:
        return
    from django.test import override_settings  # here, since it imports all of Django's test client

    _Lesson.overrides = override_settings(**settings)
    _Lesson.overrides.enable()
