"""A small Django site whose modules are cells of a notebook, on real servers: `%%site views.py`, then `site.start(…)`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from IPython.core.getipython import get_ipython

from tutorial_project.classroom.data.sample import temporary_folder

from .server_commands import environment
from .web_servers import ServerProcess, _replace

PACKAGE = "agency_site"
FILES = {
    "__init__.py": "",
    "settings.py": """\
import json
import os

SECRET_KEY = "for measuring only"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "agency_site.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
globals().update(json.loads(os.environ["SITE_SETTINGS"]))
""",
    "urls.py": "from .views import urlpatterns  # noqa: F401\n",
    "asgi.py": "from django.core.asgi import get_asgi_application\n\napplication = get_asgi_application()\n",
    "wsgi.py": "from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n",
}
COMMANDS = {
    "granian wsgi": "granian --interface wsgi --host 127.0.0.1 --port {port} {module}:application",
    "granian asgi": "granian --interface asginl --host 127.0.0.1 --port {port} {module}:application",
    "uvicorn": "uvicorn --no-access-log --lifespan off --host 127.0.0.1 --port {port} {module}:application",
    # Without the last option gunicorn leaves a socket file in the learner's home.
    "gunicorn gthread": "gunicorn --worker-class gthread --bind 127.0.0.1:{port} {module}:application --no-control-socket",
    "gunicorn asgi": "gunicorn --worker-class asgi --bind 127.0.0.1:{port} {module}:application --no-control-socket",
    "gunicorn uvicorn": "gunicorn --worker-class uvicorn_worker.UvicornWorker --bind 127.0.0.1:{port} {module}:application --no-control-socket",
    "daphne": "daphne -b 127.0.0.1 -p {port} {module}:application",
    "hypercorn": "hypercorn --bind 127.0.0.1:{port} {module}:application",
}
"""How each server is started, after `python -m`, with one worker process; gunicorn needs POSIX."""
INTERFACES = {"granian wsgi": "wsgi", "gunicorn gthread": "wsgi"}
"""The modules that those servers take which speak no ASGI."""


class SiteProcess(ServerProcess):
    """A server with the small site, in a process of its own, on a free port of 127.0.0.1.

    Args:
        server: a key of `COMMANDS`.
        options: more options for its command line.
        module: the module that holds the application.
        folder: the folder in which the site's package lies.
        settings: Django settings.
    """

    def __init__(
        self, server: str, *options: str, module: str, folder: Path, settings: Mapping[str, Any]
    ) -> None:
        self.name, self._options = server, options
        self._module = f"{PACKAGE}.{module}"
        inherited = environment(server, PACKAGE, f"{PACKAGE}.settings")
        paths = os.pathsep.join([str(folder), inherited["PYTHONPATH"]])
        self._environment = inherited | {"PYTHONPATH": paths, "SITE_SETTINGS": json.dumps(settings)}
        self._launch()

    def arguments(self, port: object) -> list[str]:
        return [*COMMANDS[self.name].format(port=port, module=self._module).split(), *self._options]

    @property
    def threads(self) -> int:
        """How many threads the process has that serves, at this moment."""
        return self._worker().num_threads()

    @property
    def memory(self) -> float:
        """How many megabytes of memory the process uses that serves, at this moment."""
        return self._worker().memory_info().rss / 1e6

    @property
    def processor(self) -> float:
        """How many seconds of processor time the process has spent that serves, so far."""
        return sum(self._worker().cpu_times()[:2])

    def _worker(self) -> psutil.Process:
        # Of the supervisor, the server, and its worker, where it has one, the last one to start.
        return max(self._family(), key=lambda process: (process.create_time(), process.pid))


class SmallSite:
    """The modules of a site in a temporary folder, which is gone with this process."""

    def __init__(self) -> None:
        self._folder = temporary_folder()
        (self._folder / PACKAGE).mkdir()
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        """Write a module of the site, such as "views.py"; servers that are started later use it."""
        # Trap: a module that is replaced within its second would run as it was, from the cache.
        with suppress(FileNotFoundError):
            os.remove(
                self._folder
                / PACKAGE
                / "__pycache__"
                / f"{Path(name).stem}.{sys.implementation.cache_tag}.pyc"
            )
        (self._folder / PACKAGE / name).write_text(text, encoding="utf-8")

    def start(
        self, server: str, *options: str, name: str = "", module: str = "", **settings: Any
    ) -> SiteProcess:
        """Start a server with this site; a second start under the same name stops the first.

        Args:
            server: one of "granian wsgi", "granian asgi", "uvicorn", "gunicorn gthread".
            options: more options for its command line.
            name: two that shall run side by side need two names; by default that of the server.
            module: the module of the site that holds the application, by default "asgi" or "wsgi".
            settings: Django settings, as JSON can hold them.

        Raises:
            ServerDidNotStart: when it ends, or does not answer within twenty seconds.
        """
        return self.begin(server, *options, name=name, module=module, **settings).wait_until_it_answers()

    def begin(
        self, server: str, *options: str, name: str = "", module: str = "", **settings: Any
    ) -> SiteProcess:
        """Do what `start` does, without waiting for the first answer."""
        module = module or INTERFACES.get(server, "asgi")
        process = SiteProcess(server, *options, module=module, folder=self._folder, settings=settings)
        return _replace(f"site: {name or server}", process)


def open_small_site() -> SmallSite:
    """Make the site, and the cell magic `%%site NAME` that writes a cell to the module of this name."""
    site = SmallSite()
    shell = get_ipython()
    if shell is not None:
        write: Any = lambda line, cell: site.write(line.strip(), cell)  # noqa: E731
        shell.register_magic_function(write, "cell", "site")
    return site
