"""What a notebook of the tutorial imports. What is below is no promise: modules there may move.

A name is loaded when it is first used, so that a lesson pays for what it shows and no more.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tutorial_project.desk.exercise import open_exercise

    from .data.postgresql_server import connections_open, postgresql
    from .data.sample import temporary_folder
    from .opening import open_lesson, prepare
    from .processes.comparison import Comparison
    from .processes.load_generator import start_load_generator
    from .processes.proxy import start_proxy
    from .processes.scripts import run_script
    from .processes.server_commands import SERVERS
    from .processes.small_project import open_small_project
    from .processes.small_site import open_small_site
    from .processes.task_workers import start_worker
    from .processes.termination import ends_within, terminate
    from .processes.web_servers import ServerDidNotStart, start_server, start_servers, stop_servers
    from .refusing import require
    from .serving.feeds import read_feed
    from .serving.on_duty import on_duty
    from .serving.server import serve
    from .serving.together import send_together
    from .watching.crossings import crossings
    from .watching.queries import queries
    from .watching.recording import most_at_once, span
    from .watching.warnings import show_warnings

__all__ = [
    "SERVERS",
    "Comparison",
    "ServerDidNotStart",
    "connections_open",
    "crossings",
    "ends_within",
    "most_at_once",
    "on_duty",
    "open_exercise",
    "open_lesson",
    "open_small_project",
    "open_small_site",
    "postgresql",
    "prepare",
    "queries",
    "read_feed",
    "require",
    "run_script",
    "send_together",
    "serve",
    "show_warnings",
    "span",
    "start_load_generator",
    "start_proxy",
    "start_server",
    "start_servers",
    "start_worker",
    "stop_servers",
    "temporary_folder",
    "terminate",
]

_WHERE = {
    # The one arrow up: an exercise is opened like a lesson, and judged on the desk.
    "tutorial_project.desk.exercise": ["open_exercise"],
    ".data.postgresql_server": ["connections_open", "postgresql"],
    ".data.sample": ["temporary_folder"],
    ".opening": ["open_lesson", "prepare"],
    ".processes.comparison": ["Comparison"],
    ".processes.load_generator": ["start_load_generator"],
    ".processes.proxy": ["start_proxy"],
    ".processes.scripts": ["run_script"],
    ".processes.server_commands": ["SERVERS"],
    ".processes.small_project": ["open_small_project"],
    ".processes.small_site": ["open_small_site"],
    ".processes.task_workers": ["start_worker"],
    ".processes.termination": ["ends_within", "terminate"],
    ".processes.web_servers": ["ServerDidNotStart", "start_server", "start_servers", "stop_servers"],
    ".refusing": ["require"],
    ".serving.feeds": ["read_feed"],
    ".serving.on_duty": ["on_duty"],
    ".serving.server": ["serve"],
    ".serving.together": ["send_together"],
    ".watching.crossings": ["crossings"],
    ".watching.queries": ["queries"],
    ".watching.recording": ["most_at_once", "span"],
    ".watching.warnings": ["show_warnings"],
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}
_FORMER_MODULES = (
    "comparison",
    "crossings",
    "database",
    "lesson",
    "postgresql",
    "recording",
    "server_process",
    "small_project",
)
"""Modules that notebooks named before this facade held all names; a cell that a learner edited may still do."""


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


class _FormerModule(ModuleType):
    """A module that is gone: its names come from the facade."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(sys.modules[__package__], name)


# Trap: a real module `crossings` would, once imported, take the place of the function of that name here. What
# stands in sys.modules already is not bound to its package.
for _name in _FORMER_MODULES:
    sys.modules[f"{__name__}.{_name}"] = _FormerModule(f"{__name__}.{_name}")
