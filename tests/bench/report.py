"""Measures what the classroom costs: `make bench`, about eight minutes.

`make bench ARGS="--only opening checking"` measures some parts; `ARGS=--suite` measures the tests instead, and
`ARGS="--suite tests/trips"` some of them. Prints one table that can be pasted; exits with 1 when a bound is not
kept. Ratios are of pairs measured in turn; seconds are to be believed on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import traceback
from collections.abc import Iterable, Iterator

import django
import psutil
import uvicorn
from rich import box
from rich.console import Console
from rich.table import Table

from .figure import Figure

PARTS = ["serving", "opening", "checking", "size"]
"""Modules of the bench, each with its figures."""
if sys.platform == "linux":
    PARTS.append("learner")
BUSY = 0.5
"""Processes at work before, on average, from which on the figures are those of a busy machine."""


def main() -> None:
    """Measure what the command line asks for, and print one table."""
    options = parsed_options()
    busy = psutil.getloadavg()[0]
    parts = {"suite": [options.suite]} if options.suite is not None else {part: [] for part in options.only}
    found = {part: measured(part, *arguments) for part, arguments in parts.items()}
    figures = [figure for part in found.values() for figure in part or []]
    print_table(figures, busy)
    if problems := list(unkept(figures)) + [f"not measured: {part}" for part in found if found[part] is None]:
        sys.exit("\n".join(problems))


def parsed_options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS)
    )
    group.add_argument("--suite", nargs="*", metavar="TESTS", help="the tests instead, or some of them")
    return parser.parse_args()


def measured(part: str, *arguments: object) -> list[Figure] | None:
    """The figures of a part; None, with a traceback on stderr, when one of them cannot be measured."""
    print(f"measuring {part} …", file=sys.stderr, flush=True)
    try:
        return list(importlib.import_module(f"bench.{part}").figures(*arguments))
    except Exception:
        traceback.print_exc()
        return None


def unkept(figures: Iterable[Figure]) -> Iterator[str]:
    """A sentence for each bound that is not kept."""
    for figure in figures:
        if figure.kept is False:
            yield f"not kept: {figure.name} is {figure.median:.3g}, and has to be {figure.bound}"


def print_table(figures: Iterable[Figure], busy: float) -> None:
    """Print the figures as Markdown, below the machine that they come from."""
    table = Table("figure", "median", "smallest", "largest", "rounds", "bound", "kept", box=box.MARKDOWN)
    for figure in figures:
        table.add_row(*figure.cells)
    console = Console(width=200)
    console.print(machine(busy), highlight=False)
    console.print(table)


def machine(busy: float) -> str:
    """What the figures were measured on.

    Args:
        busy: how many processes were at work in the minute before.
    """
    versions = (
        f"Python {platform.python_version()}, Django {django.__version__}, uvicorn {uvicorn.__version__}"
    )
    system = f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}"
    warning = ": too busy for seconds to be believed" if busy > BUSY else ""
    return f"{system}, {versions}; {busy:.1f} processes at work before{warning}"
