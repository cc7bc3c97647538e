"""How each server is started: its command line and its environment."""

from __future__ import annotations

import os
import sys

from tutorial_project.paths import ROOT

FRONT_DESK = "tutorial_project.front_desk"
"""The project that is served when none is named."""

COMMANDS = {
    "uvicorn": "uvicorn --host 127.0.0.1 --port {port} {project}.asgi:application",
    "daphne": "daphne -b 127.0.0.1 -p {port} {project}.asgi:application",
    "hypercorn": "hypercorn --bind 127.0.0.1:{port} {project}.asgi:application",
    "granian": "granian --interface asgi --host 127.0.0.1 --port {port} {project}.asgi:application",
    # Without the last option gunicorn leaves a socket file in the learner's home.
    "gunicorn": "gunicorn --worker-class asgi --bind 127.0.0.1:{port} {project}.asgi:application --no-control-socket",
    "waitress": "waitress --listen=127.0.0.1:{port} {project}.wsgi:application",
    "runserver": "django runserver --noreload 127.0.0.1:{port}",
    "runserver with daphne": "django runserver --noreload 127.0.0.1:{port}",
}
"""How each server is started, after `python -m`; waitress and plain `runserver` speak WSGI."""

SETTINGS = {"runserver": "settings", "runserver with daphne": "settings_with_daphne"}
"""The settings modules of servers that have no `asgi.py` or `wsgi.py` to name one."""

SERVERS = tuple(name for name in COMMANDS if (name, sys.platform) != ("gunicorn", "win32"))
"""The servers of this platform; gunicorn needs POSIX."""


def command(server: str, project: str, port: object) -> list[str]:
    """The command line of a server, after `python -m`.

    Raises:
        LookupError: when there is no such server on this platform; the message lists those there are.
    """
    if server not in SERVERS:
        raise LookupError(f"there is no server {server!r} here; there are: {', '.join(SERVERS)}")
    return COMMANDS[server].format(port=port, project=project).split()


def environment(server: str, project: str, settings: str | None) -> dict[str, str]:
    """The environment variables of a server.

    Args:
        server: a key of `COMMANDS`.
        project: the package that is served.
        settings: the settings module; None leaves the choice to `asgi.py` and `wsgi.py`.
    """
    if settings is None and server in SETTINGS:
        settings = f"{project}.{SETTINGS[server]}"
    # The kernel's settings module and its wish for colours are its own.
    own = ("DJANGO_SETTINGS_MODULE", "FORCE_COLOR", "CLICOLOR_FORCE", "PYTHONASYNCIODEBUG")
    inherited = {name: value for name, value in os.environ.items() if name not in own}
    chosen = {"DJANGO_SETTINGS_MODULE": settings} if settings else {}
    fixed = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"}
    return inherited | fixed | chosen
