"""python manage.py trust: JupyterLab shows the stored timelines of notebooks that are as they came."""

from __future__ import annotations

import json
from typing import Any

import nbformat
from nbformat.sign import NotebookNotary

from tutorial_project.desk.management.classroom_command import ClassroomCommand
from tutorial_project.desk.management.git import Git, GitFailed
from tutorial_project.paths import ROOT


class Command(ClassroomCommand):
    help = "Lets JupyterLab trust the stored outputs of notebooks that are as they came; none that was edited here."

    def handle(self, **options: Any) -> None:
        names = unedited_notebooks()
        notary = NotebookNotary()
        for name in names:
            content = (ROOT / name).read_text(encoding="utf-8")
            notary.sign(nbformat.from_dict(json.loads(content)))
        if options["verbosity"] > 1:
            self.console().print(f"{len(names)} notebooks are as they came, and trusted.")


def unedited_notebooks() -> list[str]:
    """The notebooks that are what the last commit says; none where git cannot tell."""
    try:
        git = Git(ROOT)
        edited = git.lines("diff", "--name-only", "HEAD", "--", "*.ipynb")
        return sorted({*git.lines("ls-files", "--", "notebooks", "solutions")} - {*edited})
    except (GitFailed, FileNotFoundError):
        return []
