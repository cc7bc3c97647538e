"""Opening a lesson."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from kernel import printed, run_cells
from project import ROOT

from tutorial_project.classroom.opening import prepare
from tutorial_project.trips.models import Trip

OPEN = "from tutorial_project.classroom import open_lesson; open_lesson()"
VIEW = """
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import path

async def where(request):
    return HttpResponse("{place}")

urlpatterns = [path("where/", where)]
"""
ASK = "(await AsyncClient().get('/where/')).content.decode()"


def test_a_redefined_view_answers_the_next_request_and_the_database_goes_with_the_kernel() -> None:
    first, _, lisbon, _, kyoto, again, folder = run_cells(
        OPEN,
        VIEW.format(place="Lisbon"),
        ASK,
        VIEW.format(place="Kyoto"),
        ASK,
        OPEN,
        "from django.conf import settings; print(settings.DATABASES['default']['NAME'], end='')",
    )
    assert printed(first) == printed(again)
    assert printed(first).count("\n") == 1
    assert (printed(lisbon), printed(kyoto)) == ("'Lisbon'", "'Kyoto'")
    assert Path(printed(folder)).name == "db.sqlite3"
    assert not Path(printed(folder)).parent.exists()


def test_opening_again_brings_fresh_data_back(sample_database: object) -> None:
    Trip.objects.filter(pk=7).update(title="Changed")
    prepare(ROOT_URLCONF="tutorial_project.urls")
    assert Trip.objects.get(pk=7).title != "Changed"


def test_settings_of_one_opening_are_gone_at_the_next(sample_database: object) -> None:
    prepare(ROOT_URLCONF="tutorial_project.urls", LANGUAGE_CODE="fr")
    assert settings.LANGUAGE_CODE == "fr"
    prepare(ROOT_URLCONF="tutorial_project.urls")
    assert settings.LANGUAGE_CODE == "en-us"
    assert prepare(ROOT_URLCONF="tutorial_project.urls") is sample_database


@pytest.mark.parametrize("opening", [{}, {"USE_TZ": False}])
def test_what_a_cell_assigns_to_the_settings_is_gone_at_the_next_opening(
    sample_database: object, opening: dict[str, object]
) -> None:
    known = list(settings.MIDDLEWARE)
    prepare(**opening)
    settings.MIDDLEWARE = ["a.middleware.of.the.lesson"]
    prepare(ROOT_URLCONF="tutorial_project.urls")
    assert known == settings.MIDDLEWARE


def test_another_settings_module_is_refused_in_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-c", OPEN],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "shop.settings", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.stderr.splitlines()[-1].endswith("restart the kernel, then open the lesson")
