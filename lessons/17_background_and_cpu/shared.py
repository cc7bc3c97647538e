from functools import cache
from typing import Any

from tutorial_project.classroom import temporary_folder
from tutorial_project.databases import sqlite_database
from tutorial_project.settings import INSTALLED_APPS

QUEUE_SETTINGS: dict[str, Any] = {
    "INSTALLED_APPS": [*INSTALLED_APPS, "django_tasks_db"],
    "TASKS": {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}},
    "POST_OFFICE": "http://127.0.0.1:9/",
}


@cache
def database_with_a_queue() -> dict[str, Any]:
    """A database of its own: the tables of django-tasks-db are in no other."""
    return sqlite_database(temporary_folder() / "with_a_queue.sqlite3")
