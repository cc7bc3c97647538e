"""A learner's progress: one small file an exercise, never half written."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutorial_project.paths import ROOT

if TYPE_CHECKING:
    from tutorial_project.checks.task import Task

STATES = ("not started", "not yet", "done")
NOTHING_YET = {"state": STATES[0], "checks": 0, "hints": 0}


def progress_folder() -> Path | None:
    """Where progress is kept: `progress/`, or the folder that TUTORIAL_PROGRESS names.

    None in `solutions/`: who runs a solution has not done the exercise.
    """
    if Path.cwd().name == "solutions":
        return None
    return Path(os.environ.get("TUTORIAL_PROGRESS") or ROOT / "progress")


class Progress:
    """What was achieved in one exercise: for each task its state, the checks made and the hints seen."""

    def __init__(self, exercise: str) -> None:
        folder = progress_folder()
        self.file = folder / f"{exercise}.json" if folder else None
        self.tasks: dict[str, dict[str, Any]] = self._read()

    @property
    def begun(self) -> bool:
        """Whether any answer was checked."""
        return any(record["checks"] for record in self.tasks.values())

    def task(self, name: str) -> dict[str, Any]:
        """The record of one task: "state", "checks" and "hints"."""
        return self.tasks.setdefault(name, dict(NOTHING_YET))

    def checked(self, name: str, state: str) -> None:
        """Note the outcome of a check; a task that was done once stays done."""
        record = self.task(name)
        record["checks"] += state != "not started"
        record["state"] = "done" if "done" in (state, record["state"]) else state
        self._write()

    def hinted(self, name: str, grades: int) -> int:
        """Note that a hint is shown; return its grade, from 0, which stays at the last one."""
        record = self.task(name)
        grade = min(record["hints"], grades - 1)
        record["hints"] = grade + 1
        self._write()
        return grade

    def next_hint(self, task: Task) -> str:
        """The next hint of a task, in the words in which it is shown; it is noted, and the last one stays."""
        if not task.hints:
            return f"{task.name} has no hints: the verdict says what is still wrong."
        grade = self.hinted(task.name, len(task.hints))
        return f"Hint {grade + 1} of {len(task.hints)}: {task.hints[grade]}"

    def add(self, other: Progress) -> None:
        """Add what was achieved in another exercise, which has become this one."""
        for name, record in other.tasks.items():
            mine = self.task(name)
            mine["state"] = max(mine["state"], record["state"], key=STATES.index)
            mine["checks"] += record["checks"]
            mine["hints"] = max(mine["hints"], record["hints"])
        self._write()

    def _read(self) -> dict[str, Any]:
        if self.file is None or not self.file.is_file():
            return {}
        try:
            tasks = json.loads(self.file.read_text(encoding="utf-8"))["tasks"]
            records = {name: NOTHING_YET | record for name, record in tasks.items()}
            if any(record["state"] not in STATES for record in records.values()):
                raise ValueError("a state that no check gives")
            return records
        except (ValueError, KeyError, TypeError, AttributeError):
            damaged = self.file.with_suffix(".damaged")
            os.replace(self.file, damaged)
            print(
                f"The progress file was damaged. It is kept as {damaged.name}; run the checks to fill a new one."
            )
            return {}

    def _write(self) -> None:
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=self.file.parent, prefix=self.file.stem, suffix=".tmp", delete=False, encoding="utf-8"
        ) as new:
            json.dump({"tasks": self.tasks}, new, indent=1)
        os.replace(new.name, self.file)
