"""Other right answers to a task, shown to who has found one: each with when it is the better one."""

from __future__ import annotations

import ast
import html
import re
import textwrap
from dataclasses import dataclass

from tutorial_project import paths
from tutorial_project.checks.loading import load_known_answers

DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
WORD = re.compile(r"\b[a-zA-Z_]\w*\b")


@dataclass(frozen=True)
class Approach:
    """One right answer: when it is the better one, and its code."""

    when: str
    code: str


class Approaches:
    """Right answers side by side, as text and as HTML that says the same."""

    def __init__(self, approaches: list[Approach]) -> None:
        self.approaches = approaches

    def __repr__(self) -> str:
        shown = (f"{one.when}\n\n{textwrap.indent(one.code, '    ')}" for one in self.approaches)
        return "\n\n".join(shown)

    def _repr_html_(self) -> str:
        columns = (
            '<div style="flex: 1 1 24em; min-width: 0">'
            f"<p>{html.escape(one.when)}</p>"
            f'<pre style="overflow-x: auto"><code>{html.escape(one.code)}</code></pre></div>'
            for one in self.approaches
        )
        return f'<div style="display: flex; flex-wrap: wrap; gap: 1.5em">{"".join(columns)}</div>'


def approaches_to(exercise: str, task: str) -> list[Approach]:
    """The right answers to a task that say when they are the better ones.

    Args:
        exercise: the name of the lesson, such as "03_waiting_together".
        task: the name of the task.
    """
    right = [known for known in load_known_answers(exercise) if known.task == task and known.when]
    if not right:
        return []
    source = (paths.LESSONS / exercise / "answers" / f"{task}.py").read_text(encoding="utf-8")
    return [Approach(known.when, code_of(known.name, source)) for known in right]


def code_of(name: str, source: str) -> str:
    """A function or class of a module, below those that it uses: it would not run without them.

    Args:
        name: of the function or class.
        source: of the module.
    """
    parts = {
        node.name: _without_mark(node, source)
        for node in ast.parse(source).body
        if isinstance(node, DEFINITION)
    }
    words = set(WORD.findall(parts[name]))
    return "\n\n\n".join([*(code for other, code in parts.items() if other in words - {name}), parts[name]])


def _without_mark(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, source: str) -> str:
    decorators = [
        d for d in node.decorator_list if "known_answer" not in (ast.get_source_segment(source, d) or "")
    ]
    shown = [f"@{ast.get_source_segment(source, decorator)}" for decorator in decorators]
    return "\n".join([*shown, ast.get_source_segment(source, node) or ""])
