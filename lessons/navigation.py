"""The last cell of each notebook: the lesson before, what belongs to this one, the lesson after."""

from __future__ import annotations

from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from sources import lessons_in

from tutorial_project.desk.front_matter import title_in

BELONGS = {"notebooks": ("exercises",), "exercises": ("notebooks",), "solutions": ("notebooks", "exercises")}
"""What the notebooks of a folder name of their own lesson."""


def add_navigation(notebook: NotebookNode, kind: str, folder: Path) -> None:
    """Append the cell that says where to go from here.

    Args:
        notebook: of a lesson, in place.
        kind: the folder it is built into, a key of `BELONGS`.
        folder: of the lesson; its neighbours are the folders beside it.
    """
    notebook.cells.append(new_markdown_cell(f"---\n\n{' · '.join(_links(kind, folder))}"))


def _links(kind: str, folder: Path) -> list[str]:
    lessons = lessons_in(folder.parent)
    place = lessons.index(folder)
    before, after = lessons[:place][-1:], lessons[place + 1 :][:1]
    own = {"notebooks": f"Lesson {folder.name[:2]}"}
    if (folder / "exercise.md").exists():
        own["exercises"] = f"Exercise {folder.name[:2]}"
    return [
        *(f"← [{_named(lesson)}]({_file('notebooks', lesson, kind)})" for lesson in before),
        *(f"[{own[each]}]({_file(each, folder, kind)})" for each in BELONGS[kind] if each in own),
        *(f"[{_named(lesson)}]({_file('notebooks', lesson, kind)}) →" for lesson in after),
    ]


def _named(lesson: Path) -> str:
    return f"{lesson.name[:2]} {title_in(lesson)}"


def _file(kind: str, lesson: Path, seen_from: str) -> str:
    return f"{lesson.name}.ipynb" if kind == seen_from else f"../{kind}/{lesson.name}.ipynb"
