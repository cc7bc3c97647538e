"""The pages of the site that are no notebooks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import build as lessons
from notebook_page import with_site_links

from tutorial_project.questions.store import questions_of

RUN_IT = """
## Run it

This site is for reading. The lessons are notebooks: change a view, send the request again, and let the exercises check what you write.
You need Python 3.11 or newer, git and make, on Linux or macOS. In a clone of the repository, whose README says how on Windows, with conda and in VS Code:

```sh
{clone}make lab
```

## Lessons

Minutes are for reading and running a lesson; its exercise comes on top.
An error message brought you here? [Find it among the questions](questions.md). What it all comes to is [on one sheet](sheet.md),
and what other texts say about async Django stands beside [what happens](statements.md).
"""
HOW_TO_USE = """# I see this error

Find your message with your browser's search, or with the site's: each question links to the part of a lesson where it happens.
In a terminal, `python manage.py explain "the message"` does the same, and takes a whole traceback with `-`. "…" in a message stands for what differs, such as a name of yours.
"""
SECTIONS = {
    "exercises": (
        "Exercises",
        "One exercise a lesson. You do them in JupyterLab, where checks answer: `make lab`.",
    ),
    "solutions": ("Solutions", "Each exercise, solved, with what its checks said."),
}


def index(folders: Iterable[Path]) -> str:
    """The start page: what this is, how to run it, and the lessons."""
    readme = (lessons.ROOT / "README.md").read_text(encoding="utf-8")
    opening = re.sub(r"^!\[.*\n", "", readme.partition("\n## ")[0], flags=re.MULTILINE)
    more = _toctree(
        [
            ("Questions", "questions"),
            ("On one sheet", "sheet"),
            ("Statements you will read elsewhere", "statements"),
            ("Exercises", "exercises/index"),
            ("Solutions", "solutions/index"),
        ]
    )
    return "\n".join(
        [
            opening,
            RUN_IT.format(clone=_clone()),
            lessons.lessons_table(),
            "",
            lessons.paths_table(),
            "",
            _toctree(_entries("notebooks", folders), caption="Lessons"),
            more,
        ]
    )


def _clone() -> str:
    """The commands that come before `make lab`, where the build is told from where to clone."""
    repository = os.environ.get("SITE_REPOSITORY")
    return f"git clone {repository} async-views-in-django\ncd async-views-in-django\n" if repository else ""


def section_index(kind: str, folders: Iterable[Path]) -> str:
    """The page that lists the exercises, or the solutions."""
    title, text = SECTIONS[kind]
    with_exercise = [folder for folder in folders if (folder / "exercise.md").exists()]
    entries = _entries(kind, with_exercise)
    listed = "\n".join(f"- [{label}](/{target}.ipynb)" for label, target in entries)
    return f"# {title}\n\n{text}\n\n{listed}\n\n{_toctree([(a, f'/{b}') for a, b in entries])}"


def questions_page(folders: Iterable[Path]) -> str:
    """All questions, by lesson."""
    parts = [HOW_TO_USE]
    for folder in folders:
        if (folder / "questions.md").exists():
            parts.append(f"## [{label(folder)}](notebooks/{folder.name}.ipynb)")
            parts += [f"### {question.title}\n\n{question.body}" for question in questions_of(folder)]
    text = "\n\n".join(parts)
    return with_site_links(text.replace("](../../", "]("))


def module_page(file: Path) -> str:
    """A Python file, to read."""
    return f"---\norphan: true\n---\n\n# {file.name}\n\n````python\n{file.read_text(encoding='utf-8')}````\n"


def label(folder: Path) -> str:
    """A lesson as lists name it."""
    return f"{folder.name[:2]} · {lessons.title_in(folder)}"


def _entries(kind: str, folders: Iterable[Path]) -> list[tuple[str, str]]:
    return [(label(folder), f"{kind}/{folder.name}") for folder in folders]


def _toctree(entries: Iterable[tuple[str, str]], caption: str = "More") -> str:
    lines = "\n".join(f"{label} <{target}>" for label, target in entries)
    return f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n"
