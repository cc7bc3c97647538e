"""The settings are startproject's where they can be, and quiet."""

import ast
import re
import runpy
from pathlib import Path

import django.conf
import pytest
from child_process import ROOT, run
from django.db import connection

from tutorial_project import settings
from tutorial_project.databases import sqlite_database


def startproject(name: str) -> list[str]:
    """Return the list called `name` in the settings that `django-admin startproject` writes."""
    folder = Path(django.conf.__file__).parent / "project_template" / "project_name"
    written = (folder / "settings.py-tpl").read_text(encoding="utf-8")
    return ast.literal_eval(re.search(rf"^{name} = (\[.*?^\])", written, re.MULTILINE | re.DOTALL)[1])


def settings_with(monkeypatch, **environment: str) -> dict:
    """Return the settings as a process with these environment variables reads them."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(settings.__file__)


def test_the_middleware_is_startprojects_in_its_order():
    assert startproject("MIDDLEWARE") == settings.MIDDLEWARE


def test_the_apps_are_startprojects_and_two_of_our_own():
    own = ["tutorial_project.trips", "tutorial_project.desk"]
    assert [*startproject("INSTALLED_APPS"), *own] == settings.INSTALLED_APPS


@pytest.mark.parametrize("debug", ["0", "1"])
def test_checks_find_nothing_and_nothing_warns(debug, tmp_path):
    database = tmp_path / "none.sqlite3"
    checked = run("manage.py", "check", "--fail-level", "WARNING", database=database, debug=debug)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(("value", "debug"), [("1", True), ("true", True), ("0", False), ("False", False)])
def test_an_environment_variable_turns_debug_pages_off(value, debug, monkeypatch):
    assert settings_with(monkeypatch, DJANGO_DEBUG=value)["DEBUG"] is debug


def test_debug_pages_are_on_unless_somebody_turns_them_off(monkeypatch):
    monkeypatch.delenv("DJANGO_DEBUG", raising=False)
    assert settings_with(monkeypatch)["DEBUG"] is True


def test_the_database_is_beside_manage_py_unless_named(monkeypatch):
    monkeypatch.delenv("DJANGO_SQLITE_PATH", raising=False)
    assert settings_with(monkeypatch)["DATABASES"]["default"] == sqlite_database(ROOT / "db.sqlite3")
    named = settings_with(monkeypatch, DJANGO_SQLITE_PATH="elsewhere.sqlite3")
    assert named["DATABASES"]["default"]["NAME"] == "elsewhere.sqlite3"


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 1), ("busy_timeout", 20_000)]
)
def test_sqlite_reads_while_it_writes_and_writers_wait(pragma, value):
    with connection.cursor() as cursor:
        assert cursor.execute(f"PRAGMA {pragma}").fetchone()[0] == value


def test_a_transaction_takes_the_write_lock_at_its_start():
    assert connection.transaction_mode == "IMMEDIATE"


def test_two_databases_never_share_their_options():
    first, second = sqlite_database("a"), sqlite_database("b")
    first["OPTIONS"]["timeout"] = 1
    assert second["OPTIONS"]["timeout"] == 20


def test_the_login_page_is_a_path_and_needs_no_url_name():
    assert settings.LOGIN_URL == "/accounts/login/"
