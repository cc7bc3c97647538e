"""Builds the notebooks from the lessons: `python lessons/build.py [--all] [LESSON …]`.

Each folder here holds a lesson; from it come `notebooks/NAME.ipynb` and `solutions/NAME.ipynb`,
executed, and `exercises/NAME.ipynb` with the gaps cut out. Only what changed is built, unless asked
for all or for a lesson by name. A cell that fails stops the build.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import django
import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

LESSONS = Path(__file__).resolve().parent
ROOT = LESSONS.parent
sys.path[:0] = [str(ROOT), str(LESSONS)]

from navigation import add_navigation  # noqa: E402
from reading_time import ReadingTime, reading_time  # noqa: E402
from sources import lesson_faults, lessons_in  # noqa: E402

from tutorial_project.checks.gaps import solved, to_solve  # noqa: E402
from tutorial_project.checks.loading import REQUIREMENTS, load_tasks  # noqa: E402
from tutorial_project.classroom.requirement import in_short  # noqa: E402
from tutorial_project.desk.front_matter import missing_for, requirement_in, title_in  # noqa: E402
from tutorial_project.desk.learning_paths import EVERYTHING, PATHS, lessons_on  # noqa: E402
from tutorial_project.desk.management.files import set_aside  # noqa: E402
from tutorial_project.desk.management.notebook_file import edited, original_id, parsed  # noqa: E402

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
FRAME_OUTSIDE = re.compile(r"File .*(site-packages|lib/python|asyncio|tutorial_project)")
IN_YOUR_PROJECT = re.compile(r"^## In your project$", re.MULTILINE)
CELL_LIMIT = 120
"""Seconds that one cell may take."""


class BuildError(Exception):
    """A lesson cannot be built; the message names the lesson, the cell and the error."""


def lesson_folders() -> list[Path]:
    """All lessons, in order."""
    return lessons_in(LESSONS)


def lesson_notebook(folder: Path) -> NotebookNode:
    """`lesson.md` as a notebook that is not executed yet."""
    file = folder / "lesson.md"
    notebook = _notebook("notebooks", folder, file.read_text(encoding="utf-8"), [file])
    _fold_the_project_code(notebook)
    return notebook


def solution_notebook(folder: Path) -> NotebookNode:
    """`exercise.md` with the solutions in place, not executed yet."""
    return _notebook("solutions", folder, solved(_exercise_text(folder)), exercise_sources(folder))


def exercise_notebook(folder: Path) -> NotebookNode:
    """`exercise.md` as the learner gets it, with every solution replaced by a gap, or by the broken code to repair."""
    return _notebook("exercises", folder, to_solve(_exercise_text(folder)), exercise_sources(folder))


def exercise_text(lesson: str) -> str:
    """The text of a lesson's `exercise.md`; nothing where it has none."""
    file = LESSONS / lesson / "exercise.md"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _exercise_text(folder: Path) -> str:
    tasks = load_tasks(folder.name)

    def bullets(match: re.Match[str]) -> str:
        return "\n".join(f"- {requirement.sentence}" for requirement in tasks[match[1]].requirements)

    return REQUIREMENTS.sub(bullets, (folder / "exercise.md").read_text(encoding="utf-8"))


def exercise_sources(folder: Path) -> list[Path]:
    """The files that an exercise and its solution show: the text, and what verdicts say."""
    shared = [file for file in [folder / "shared.py"] if file.is_file()]
    return [folder / "exercise.md", *shared, *sorted(folder.glob("tasks/*.py"))]


def _notebook(kind: str, folder: Path, text: str, sources: list[Path]) -> NotebookNode:
    notebook = jupytext.reads(text, fmt="md:myst")
    for cell in notebook.cells:
        cell.source = cell.source.strip("\n")  # a gap may have been the end of it
    notebook.metadata = NotebookNode(
        kernelspec=KERNEL,
        language_info={"name": "python"},
        lesson={"source": source_hash(sources)},
    )
    if requirement := requirement_in(folder):
        notebook.metadata.lesson["requires"] = requirement
        _begin_with(requirement, notebook)
    add_navigation(notebook, kind, folder)
    _name_cells(notebook)
    return notebook


def _fold_the_project_code(notebook: NotebookNode) -> None:
    """Show the code of the first cell under "In your project" only to who unfolds it: it is to take along, not to learn."""
    titles = [index for index, cell in enumerate(notebook.cells) if IN_YOUR_PROJECT.search(cell.source)]
    for cell in notebook.cells[titles[0] :] if titles else []:
        if cell.cell_type == "code":
            cell.metadata["jupyter"] = {"source_hidden": True}
            return


def is_folded(cell: NotebookNode) -> bool:
    """Whether the code of a cell is hidden until a reader unfolds it."""
    return bool(cell.metadata.get("jupyter", {}).get("source_hidden"))


def _begin_with(requirement: str, notebook: NotebookNode) -> None:
    """Let the first code cell say what is needed, where that is missing."""
    source = f'from tutorial_project.classroom import require\n\nrequire("{requirement}")'
    first = next(index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(first, new_code_cell(source))


def _name_cells(notebook: NotebookNode) -> None:
    # An id from the text, not from the position: a new cell leaves the ids of the others alone.
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = original_id(cell)
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def source_hash(sources: list[Path]) -> str:
    """A digest of the files that a notebook is made from."""
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in sources)).hexdigest()[:16]


def minutes(folder: Path) -> ReadingTime:
    """How long the lesson takes to read and run."""
    return reading_time(jupytext.reads((folder / "lesson.md").read_text(encoding="utf-8"), fmt="md:myst"))


def execute(notebook: NotebookNode, folder: Path, name: str) -> NotebookNode:
    """Run a notebook top to bottom in a new kernel and make its outputs ready to store.

    Args:
        notebook: as `lesson_notebook` or `solution_notebook` gives it.
        folder: where the kernel runs, "notebooks" or "solutions".
        name: of the lesson, for messages.

    Raises:
        BuildError: when a cell fails that should not, or does not fail that should.
    """
    metadata = copy.deepcopy(notebook.metadata)  # the kernel adds its own version to it
    client = NotebookClient(
        notebook,
        timeout=CELL_LIMIT,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=lambda cell, cell_index: _show_progress(name, cell_index, len(notebook.cells)),
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise BuildError(f"\n{name}, in a cell that must not fail:\n{error}") from None
    notebook.metadata = metadata
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            _normalise(cell)
            _demand_the_expected_error(cell, f"\n{name}, cell {index}:\n{cell.source}")
    return notebook


def _show_progress(name: str, index: int, cells: int) -> None:
    if sys.stdout.isatty():
        print(f"\r{name}: cell {index + 1} of {cells} ", end="", flush=True)


def _demand_the_expected_error(cell: NotebookNode, where: str) -> None:
    failed = any(output.output_type == "error" for output in cell.outputs)
    expected = "raises-exception" in cell.metadata.get("tags", [])
    if expected and not failed:
        raise BuildError(f"{where}\nis tagged raises-exception, and raised nothing")


def _normalise(cell: NotebookNode) -> None:
    cell.metadata.pop("execution", None)
    cell.outputs = _joined_streams(cell.outputs)
    for output in cell.outputs:
        if output.output_type == "error":
            output.traceback = list(_short_traceback(output.traceback))
        elif output.output_type == "stream":
            output.text = _without_places(output.text)
        else:
            output.data = {
                kind: _without_places(value) if isinstance(value, str) and kind.startswith("text/") else value
                for kind, value in output.data.items()
            }


def _joined_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    # The kernel cuts a stream into pieces wherever it happens to flush.
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == "stream" and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _short_traceback(traceback: list[str]) -> Iterator[str]:
    """The frames of the notebook's own cells, and the error."""
    hidden = 0
    for part in traceback:
        if FRAME_OUTSIDE.search(re.sub(r"\x1b\[[0-9;]*m", "", part).partition("\n")[0]):
            hidden += 1
            continue
        if hidden:
            yield f"    … {hidden} frame{'s' * (hidden > 1)} inside Django and Python …"
        hidden = 0
        yield _without_places(part)


def _without_places(text: str) -> str:
    text = re.sub(r" at 0x[0-9A-Fa-f]+", " at 0x…", text)
    for place, name in (
        (str(ROOT), "."),
        (sys.prefix, "."),
        (sys.base_prefix, "python"),
        (tempfile.gettempdir(), "tmp"),
    ):
        text = text.replace(place, name)
    return re.sub(r"ipykernel_\d+/\d+\.py", "ipykernel/cell.py", text)


def build(folder: Path, everything: bool) -> bool:
    """Build the three notebooks of a lesson, or those that are out of date; True when any was."""
    jobs: list[tuple[str, Callable[[Path], NotebookNode], bool]] = [("notebooks", lesson_notebook, True)]
    if (folder / "exercise.md").exists():
        jobs += [("exercises", exercise_notebook, False), ("solutions", solution_notebook, True)]
    if faults := lesson_faults(folder):
        raise BuildError("\n".join(faults))
    built = False
    for kind, make, run in jobs:
        notebook, file = make(folder), ROOT / kind / f"{folder.name}.ipynb"
        stale = not up_to_date(notebook, file)
        if not (everything or stale):
            continue
        if run and (everything or not take_outputs(notebook, file)):
            if missing := missing_for(folder.name):
                print(f"{kind}/{file.name} is left as it is{', out of date' * stale}. {missing}")
                continue
            notebook = execute(notebook, file.parent, f"{kind}/{folder.name}")
        if not run and holds_answers(file):
            print(f"\rYour answers are kept as {set_aside(file, 'build').name}")
        file.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        print(f"\r{kind}/{folder.name}.ipynb is built".ljust(60))
        built = True
    return built


def up_to_date(notebook: NotebookNode, file: Path) -> bool:
    """Whether a built notebook comes from the present sources, whatever was answered in it since."""
    stored = parsed(file.read_bytes()) if file.is_file() else None
    if stored is None:
        return False
    same_source = stored.metadata.get("lesson") == notebook.metadata.lesson
    return same_source and (holds_answers(file) or cells(stored) == cells(notebook))


def take_outputs(notebook: NotebookNode, file: Path) -> bool:
    """Take over what the same code printed before, where only words were changed; False where the code has to run.

    Args:
        notebook: not executed yet; receives the outputs.
        file: the built notebook of a lesson or its solution. What a solution prints also comes from its tasks.
    """
    stored = parsed(file.read_bytes()) if file.is_file() else None
    if stored is None or (
        file.parent.name == "solutions" and stored.metadata.get("lesson") != notebook.metadata.lesson
    ):
        return False
    before, now = ([cell for cell in each.cells if cell.cell_type == "code"] for each in (stored, notebook))
    if [_code(cell) for cell in before] != [_code(cell) for cell in now]:
        return False
    for old, new in zip(before, now, strict=True):
        new.outputs, new.execution_count = old.outputs, old.execution_count
    return True


def _code(cell: NotebookNode) -> tuple[str, list[str]]:
    return cell.source, list(cell.metadata.get("tags", []))


def holds_answers(file: Path) -> bool:
    """Whether a learner has worked in an exercise: a built one was never run. What is no notebook any more may hold some."""
    if file.parent.name != "exercises" or not file.is_file():
        return False
    notebook = parsed(file.read_bytes())
    return notebook is None or any(cell.get("execution_count") or edited(cell) for cell in notebook.cells)


def cells(notebook: NotebookNode) -> list[tuple[str, str, str, list[str], bool]]:
    """What the sources decide of each cell: its id, type, text and tags, and whether it is folded."""
    return [
        (cell.id, cell.cell_type, cell.source, list(cell.metadata.get("tags", [])), is_folded(cell))
        for cell in notebook.cells
    ]


def lessons_table() -> str:
    """The table of lessons that the README holds."""
    rows = [
        f"| {folder.name[:2]} | [{title_in(folder)}](notebooks/{folder.name}.ipynb){_needs(folder)} | {_minutes(folder)} |"
        f" {_link('exercises', folder)} | {_link('solutions', folder)} |"
        for folder in lesson_folders()
    ]
    return "\n".join(["| | Lesson | Minutes | Exercise | Solution |", "|---|---|---|---|---|", *rows])


def _needs(folder: Path) -> str:
    requirement = requirement_in(folder)
    return f" (needs {in_short(requirement)})" if requirement else ""


def _minutes(folder: Path) -> str:
    time = minutes(folder)
    return f"{time.core} + {time.deeper}" if time.deeper else str(time.core)


def _link(kind: str, folder: Path) -> str:
    if not (folder / "exercise.md").exists():
        return ""
    tasks = len(load_tasks(folder.name))
    label = f"{tasks} task{'s' * (tasks != 1)}" if kind == "exercises" else "solved"
    return f"[{label}]({kind}/{folder.name}.ipynb)"


def paths_table() -> str:
    """The table of ways through the lessons that the README holds."""
    times = {folder.name: minutes(folder).core for folder in lesson_folders()}
    rows = []
    for path, said in PATHS.items():
        names = lessons_on(path)
        links = " → ".join(f"[{name[:2]}](notebooks/{name}.ipynb)" for name in names)
        shown = links if path != EVERYTHING else "all lessons, in order"
        rows.append(f"| {said} | `{path}` | {shown} | {sum(times[name] for name in names)} |")
    return "\n".join(["| | Path | Lessons | Minutes |", "|---|---|---|---|", *rows])


def with_tables(readme: str) -> str:
    """The README's text with its tables of lessons and of paths brought up to date."""
    for name, table in (("lessons", lessons_table()), ("paths", paths_table())):
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, _, rest = readme.partition(begin)
        readme = f"{before}{begin}{table}\n{end}{rest.partition(end)[2]}" if rest else readme
    return readme


def main() -> None:
    """Build what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "lessons", nargs="*", help="names or numbers, such as 03; without any: all that changed"
    )
    parser.add_argument("--all", action="store_true", help="build everything anew")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tutorial_project.settings")
    django.setup()  # the checks of a lesson import models
    chosen = [f for f in lesson_folders() if not options.lessons or f.name.startswith(tuple(options.lessons))]
    if not chosen:
        parser.exit(1, f"no such lesson; there are: {', '.join(f.name for f in lesson_folders())}\n")
    with tempfile.TemporaryDirectory() as progress:
        os.environ["TUTORIAL_PROGRESS"] = progress
        try:
            built = [build(folder, options.all or bool(options.lessons)) for folder in chosen]
        except BuildError as error:
            parser.exit(1, f"{error}\n")
    readme = ROOT / "README.md"
    readme.write_text(with_tables(readme.read_text(encoding="utf-8")), encoding="utf-8")
    if not any(built):
        print("Every notebook is up to date.")


if __name__ == "__main__":
    main()
