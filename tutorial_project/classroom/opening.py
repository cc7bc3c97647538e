"""Opening a lesson: Django, configured in the kernel's own process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import django

from tutorial_project.classroom.data.connections import connect_to
from tutorial_project.classroom.data.sample import SampleDatabase, temporary_folder

from .kernel import watch_cells

SETTINGS = "tutorial_project.settings"
IN_EVERY_NOTEBOOK = {"ROOT_URLCONF": "__main__", "DEBUG": False}
"""Settings that differ from those of the project in every lesson."""


class _Lesson:
    """What `open_lesson` set up in this process, once."""

    configured = False
    sqlite: dict[str, Any]
    databases: dict[str, Any]
    samples: dict[str, SampleDatabase] = {}
    overrides: Any = None


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
    overrides = {name: value for name, value in _Lesson.overrides.options.items() if name != "ROOT_URLCONF"}
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
    _Lesson.configured = True


def _use_databases(databases: dict[str, Any]) -> None:
    from django.conf import settings

    if _Lesson.overrides is not None:
        _Lesson.overrides.disable()
    if databases is not _Lesson.databases:
        settings.DATABASES = _Lesson.databases = databases
        connect_to(databases)


def _override(settings: dict[str, Any]) -> None:
    if settings:
        from django.test import override_settings  # here, since it imports all of Django's test client

        _Lesson.overrides = override_settings(**IN_EVERY_NOTEBOOK | settings)
    else:
        _Lesson.overrides = _Layer(IN_EVERY_NOTEBOOK)
    _Lesson.overrides.enable()


class _Layer:
    """What `override_settings` does, without the test client that comes with it, for settings that nobody has read.

    Trap: what a cell assigns to `django.conf.settings` goes into this layer, and has to go with it when the lesson is
    opened again.

    Args:
        options: the settings, by name.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options

    def enable(self) -> None:
        """Put the layer over Django's settings."""
        from django.conf import UserSettingsHolder, settings

        layer = UserSettingsHolder(settings._wrapped)
        for name, value in self.options.items():
            setattr(layer, name, value)
        self._below, settings._wrapped = settings._wrapped, layer

    def disable(self) -> None:
        """Take it away again."""
        from django.conf import settings

        settings._wrapped = self._below
