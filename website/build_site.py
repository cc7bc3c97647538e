"""Builds the site to read: `python website/build_site.py [FOLDER]`, by default `build/site`.

Lessons and solutions come with their stored outputs; exercises are fresh, whatever was answered in them.
Nothing is executed, and nothing is fetched.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import django
import nbformat
from nbformat import NotebookNode
from sphinx.cmd.build import build_main

WEBSITE = Path(__file__).resolve().parent
ROOT = WEBSITE.parent
sys.path[:0] = [str(ROOT), str(ROOT / "lessons")]

import build as lessons  # noqa: E402
from notebook_page import NOTES, linked_modules, page, with_site_links  # noqa: E402
from pages import index, module_page, questions_page, section_index  # noqa: E402
from sheet import sheet  # noqa: E402
from statements import statements  # noqa: E402
from toggles import name_toggles  # noqa: E402


class SiteError(Exception):
    """The site cannot be built; the message says what to do."""


def write_sources(folder: Path) -> None:
    """Write all pages of the site into a folder, as Sphinx reads them."""
    folders = lessons.lesson_folders()
    modules: set[Path] = set()
    for kind in NOTES:
        (folder / kind).mkdir()
        for lesson in folders:
            modules |= _write_notebook(kind, lesson, folder)
    texts = {
        Path("index.md"): index(folders),
        Path("questions.md"): questions_page(folders),
        Path("sheet.md"): with_site_links(sheet(folders)),
        Path("statements.md"): with_site_links(statements(folders)),
    }
    for kind in ("exercises", "solutions"):
        texts[Path(kind, "index.md")] = section_index(kind, folders)
    for module in modules:
        texts[module.relative_to(ROOT).with_suffix(".md")] = module_page(module)
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _write_notebook(kind: str, lesson: Path, folder: Path) -> set[Path]:
    """Write one notebook of a lesson, where there is one; return the modules it links to."""
    if kind != "notebooks" and not (lesson / "exercise.md").exists():
        return set()
    fresh = kind == "exercises"
    notebook = lessons.exercise_notebook(lesson) if fresh else _built(kind, lesson)
    modules = linked_modules(notebook, ROOT / kind)
    nbformat.write(page(notebook, kind, lesson.name), folder / kind / f"{lesson.name}.ipynb")
    return modules


def _built(kind: str, lesson: Path) -> NotebookNode:
    file = ROOT / kind / f"{lesson.name}.ipynb"
    if not file.is_file():
        raise SiteError(f"{kind}/{file.name} is missing: run  make notebooks")
    return nbformat.read(file, as_version=4)


def build_site(output: Path) -> None:
    """Build the site into a folder, in place of the site that was in it.

    Raises:
        SiteError: when the folder holds something else, a notebook is missing, or Sphinx has a warning.
    """
    if output.exists() and any(output.iterdir()) and not (output / ".buildinfo").is_file():
        raise SiteError(f"{output} holds something that is no site: name a folder that is new or empty")
    with tempfile.TemporaryDirectory() as temporary:
        source, site = Path(temporary, "source"), Path(temporary, "site")
        source.mkdir()
        write_sources(source)
        options = ["-W", "--keep-going", "-q", "-d", f"{temporary}/doctrees", "-c", str(WEBSITE)]
        if build_main([*options, str(source), str(site)]):
            raise SiteError("The site is not built: see the warnings above")
        name_toggles(site)
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(site, output)


def main() -> None:
    """Build the site into the folder that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", nargs="?", type=Path, default=ROOT / "build" / "site")
    output = parser.parse_args().output.resolve()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tutorial_project.settings")
    django.setup()  # the checks of a lesson import models
    try:
        build_site(output)
    except SiteError as error:
        parser.exit(1, f"{error}.\n")
    print(f"Open {output / 'index.html'}, or serve the folder:  python -m http.server -d {output}")


if __name__ == "__main__":
    main()
