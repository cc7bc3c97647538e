"""A second run of every notebook by nbval, in the kernel of the first."""

from __future__ import annotations

import itertools

import pytest
from nbval.plugin import IPyNbCell


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After the last cell of each notebook, run all of its cells again: a learner does, and must see the same."""
    groups = [list(group) for _, group in itertools.groupby(items, lambda item: item.parent)]
    items.clear()
    for group in groups:
        items += group + [again(cell) for cell in group if isinstance(cell, IPyNbCell)]


def again(cell: IPyNbCell) -> IPyNbCell:
    """The same cell once more: its output has to be the stored one this time as well."""
    parts = {"cell_num": cell.cell_num, "cell": cell.cell, "options": cell.options}
    return IPyNbCell.from_parent(cell.parent, name=f"{cell.name} again", **parts)
