"""python website/build_site.py: what becomes of a notebook, and when it refuses to build."""

from __future__ import annotations

from pathlib import Path

import pytest
from build_site import SiteError, build_site
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_page import linked_modules, page, with_site_links
from pages import index
from sheet import sheet
from statements import statements


@pytest.mark.parametrize(
    ("written", "on_the_site"),
    [
        ("[x](13_middleware.ipynb#What-a-stack-costs:-crossings)", "[x](13_middleware.ipynb#what-a-stack-costs-crossings)"),
        ("[the `README`](../README.md)", "[the `README`](../index.md)"),
        ("[models.py](../tutorial_project/trips/models.py)", "[models.py](../tutorial_project/trips/models.md)"),
        ("[Django](https://docs.djangoproject.com/en/5.2/#A-b)", "[Django](https://docs.djangoproject.com/en/5.2/#A-b)"),
        ("`[x](README.md)`", "`[x](README.md)`"),
    ],
)  # fmt: skip
def test_a_link_leads_to_the_page_of_the_site(written: str, on_the_site: str) -> None:
    assert with_site_links(written) == on_the_site


def test_modules_that_a_notebook_links_to_are_found() -> None:
    notebook = new_notebook(cells=[new_markdown_cell("[models](../trips/models.py) [lesson](02.ipynb)")])
    assert linked_modules(notebook, Path("/tutorial/notebooks")) == {Path("/tutorial/trips/models.py")}


def test_a_live_page_becomes_a_sentence() -> None:
    live = new_output("display_data", {"text/html": '<iframe src="http://127.0.0.1:4/"></iframe>'})
    notebook = new_notebook(cells=[new_code_cell("show()", outputs=[live])])
    assert "iframe" not in str(page(notebook, "notebooks", "10_files"))


def test_an_exercise_says_below_its_title_where_one_does_it() -> None:
    notebook = page(
        new_notebook(cells=[new_markdown_cell("# Warm up\n\nOne task.")]), "exercises", "00_start"
    )
    assert [cell.source.splitlines()[0] for cell in notebook.cells] == ["# Warm up", "```{note}", "One task."]
    assert "open `exercises/00_start.ipynb`" in notebook.cells[1].source


def test_the_start_page_tells_from_where_to_clone_if_the_build_was_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SITE_REPOSITORY", "https://example.org/tutorial")
    assert "git clone https://example.org/tutorial" in index([])
    monkeypatch.delenv("SITE_REPOSITORY")
    assert "git clone" not in index([])


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Ada")
    with pytest.raises(SiteError, match="name a folder that is new or empty"):
        build_site(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["letter.txt"]


def test_the_sheet_holds_the_snippet_and_the_traps_of_a_lesson_with_links_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "07_ask"
    folder.mkdir()
    (folder / "lesson.md").write_text(
        "# Ask\n\n## In short\n\n```{code-cell} ipython3\n:tags: [a]\nawait ask()\n```\n\n[Why](#Ask-twice), after [06](06_x.ipynb).\n\n"
        "**What you'll build.** A page.\n\n## Ask twice\n\nLong.\n\n## Traps\n\n| you see |\n|---|\n| it waits |\n\n## Exercise\n"
    )
    text = sheet([folder])
    assert "## [07 · Ask](notebooks/07_ask.ipynb)\n\n```python\nawait ask()\n```" in text
    assert "[Why](notebooks/07_ask.ipynb#Ask-twice), after [06](notebooks/06_x.ipynb)." in text
    assert "| it waits |" in text
    assert "Long." not in text


def test_a_lesson_that_needs_a_newer_django_says_so_below_its_title() -> None:
    notebook = new_notebook(cells=[new_markdown_cell("# Ask")])
    notebook.metadata.lesson = {"source": "00", "requires": "django>=6.1"}
    below = page(notebook, "notebooks", "20_ask").cells[1].source
    assert "It needs Django 6.1, which needs Python 3.12 or newer." in below


def test_the_page_of_statements_is_what_one_lesson_says_with_links_to_all(tmp_path: Path) -> None:
    folder = tmp_path / "16_packages"
    folder.mkdir()
    said = "| it says | [05](05_servers.ipynb#A-stream), [16](#The-table) |"
    text = f"## Going deeper\n\n### Statements you will read elsewhere\n\n{said}\n\n### Another\n\nMore.\n"
    (folder / "lesson.md").write_text(text, encoding="utf-8")
    expected = (
        "| it says | [05](notebooks/05_servers.ipynb#A-stream), [16](notebooks/16_packages.ipynb#The-table) |"
    )
    assert statements([folder]) == f"# Statements you will read elsewhere\n\n{expected}\n"


def test_the_site_says_which_heading_its_page_of_statements_is_made_from() -> None:
    with pytest.raises(LookupError, match="'Statements you will read elsewhere'"):
        statements([])


def test_what_is_folded_in_a_lesson_is_folded_on_its_page() -> None:
    folded = new_code_cell("1", metadata={"jupyter": {"source_hidden": True}})
    cells = page(new_notebook(cells=[folded, new_code_cell("2")]), "notebooks", "10_files").cells
    assert [cell.metadata.get("tags") for cell in cells] == [["hide-input"], None]
