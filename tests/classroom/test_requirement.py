"""What a lesson needs, in words, and a notebook where that is missing."""

from __future__ import annotations

import django
import pytest
from kernel import printed, run_cells

from tutorial_project.classroom.requirement import missing_here, needed

NOBODY_HAS = "django>=99"


def requiring(requirement: str) -> str:
    return f"from tutorial_project.classroom import require\n\nrequire({requirement!r})"


def test_a_newer_django_names_the_oldest_python_that_gets_it() -> None:
    assert needed("django>=6.1") == "Django 6.1, which needs Python 3.12 or newer"
    assert needed("django>=5.2") == "Django 5.2 or newer"


@pytest.mark.parametrize("requirement", ["", "django>=5.2", f"django>={django.get_version()}"])
def test_what_is_met_needs_no_words(requirement: str) -> None:
    assert missing_here(requirement) == ""


def test_what_is_missing_is_said_with_what_is_here_and_what_to_do() -> None:
    said = missing_here(NOBODY_HAS)
    assert said.startswith(f"This lesson needs Django 99 or newer. Here is Django {django.get_version()}")
    assert "VENV=" in said


def test_where_it_is_missing_every_cell_says_so_and_runs_nothing() -> None:
    cells = run_cells(requiring(NOBODY_HAS), "print('it ran')", "%%time\nprint('it ran')", "import nonsense")
    for cell in cells:
        assert printed(cell) == missing_here(NOBODY_HAS)
        assert [output.ename for output in cell.outputs] == ["MissingRequirement"]


def test_where_it_is_met_nothing_is_said_and_the_notebook_goes_on() -> None:
    first, second = run_cells(requiring("django>=5.2"), "print('it ran')")
    assert (printed(first), printed(second)) == ("", "it ran\n")
