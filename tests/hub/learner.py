"""A learner's browser, as far as a hub can tell: the login form, nbgitpuller's page, notebooks and kernels."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlencode

import aiohttp
from yarl import URL

from .hub import PASSWORD, Hub

PATIENCE = aiohttp.ClientTimeout(total=120)
ATTRIBUTE = re.compile(r'data-([a-z-]+)="([^"]*)"')


class Learner:
    """One person at one browser; an async context manager.

    Args:
        hub: the hub they go to.
        name: what they write into the login form.
    """

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub, self.name, self.server = hub, name, f"{hub.url}/user/{name}"
        # Trap: aiohttp keeps no cookies of addresses that are numbers unless it is told to.
        self.cookies = aiohttp.CookieJar(unsafe=True)

    async def __aenter__(self) -> Self:
        self.browser = aiohttp.ClientSession(cookie_jar=self.cookies, timeout=PATIENCE)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.browser.close()

    def token_for(self, url: str) -> str:
        """The value against forged requests that the pages below an address were given."""
        return self.cookies.filter_cookies(URL(url))["_xsrf"].value

    async def log_in(self, password: str = PASSWORD) -> tuple[int, str]:
        """Fill in the form; the status and the text of the page that follows."""
        form = f"{self.hub.url}/hub/login"
        async with self.browser.get(form) as page:
            page.raise_for_status()
        fields = {"_xsrf": self.token_for(form), "username": self.name, "password": password}
        async with self.browser.post(form, data=fields) as page:
            return page.status, await page.text()

    async def start_server(self) -> None:
        """Wait until the hub says that this learner's server is ready."""
        url = f"{self.hub.url}/hub/api/users/{self.name}/server/progress"
        async for event in self.events(url, {"_xsrf": self.token_for(f"{self.hub.url}/hub/")}):
            assert not event.get("failed"), event
            if event.get("ready"):
                return

    async def get_copy(self) -> str:
        """Open the first page that the hub shows, and let it pull; the address it goes on to."""
        async with self.browser.get(self.server + "/") as page:
            page.raise_for_status()
            data = {key: unquote(value) for key, value in ATTRIBUTE.findall(await page.text())}
        pull = {
            "repo": data["repo"],
            "targetpath": data["targetpath"],
            "_xsrf": self.token_for(self.server + "/"),
        }
        pull |= {"branch": data["branch"]} if "branch" in data else {}
        phases = [event["phase"] async for event in self.events(f"{self.server}/git-pull/api", pull)]
        assert phases[-1] == "finished", phases
        return data["path"]

    async def events(self, url: str, query: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        """The events of a stream, until the server ends it."""
        async with self.browser.get(f"{url}?{urlencode(query)}") as stream:
            stream.raise_for_status()
            async for line in stream.content:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    async def api(self, method: str, path: str, content: Any = None) -> Any:
        """The answer of this learner's server to a call of its API."""
        headers = {"X-XSRFToken": self.token_for(self.server + "/")}
        async with self.browser.request(
            method, f"{self.server}/api/{path}", json=content, headers=headers
        ) as answer:
            answer.raise_for_status()
            return await answer.json() if answer.content_type == "application/json" else None

    async def notebook(self, path: str) -> list[str]:
        """The sources of the code cells of a notebook on this learner's server."""
        cells = (await self.api("GET", f"contents/{path}?content=1"))["content"]["cells"]
        return [cell["source"] for cell in cells if cell["cell_type"] == "code"]

    @asynccontextmanager
    async def kernel(self, path: str) -> AsyncIterator[Kernel]:
        """A kernel for a notebook, started and shut down as JupyterLab does."""
        wanted = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        session = await self.api("POST", "sessions", wanted)
        address = f"{self.server}/api/kernels/{session['kernel']['id']}/channels?session_id={session['id']}"
        async with self.browser.ws_connect(address, max_msg_size=0) as channels:
            yield Kernel(channels)
        await self.api("DELETE", f"sessions/{session['id']}")


class Kernel:
    """The channels of a kernel.

    Args:
        channels: the connection that carries them.
    """

    def __init__(self, channels: aiohttp.ClientWebSocketResponse) -> None:
        self.channels = channels

    async def _send(self, channel: str, kind: str, **content: Any) -> str:
        identity = uuid.uuid4().hex
        header = {"msg_id": identity, "msg_type": kind, "username": "", "session": identity, "version": "5.3"}
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": channel,
        }
        await self.channels.send_json(message)
        return identity

    async def run(self, source: str, when_asked: Callable[[], Awaitable[object]] | None = None) -> str:
        """Execute a cell; what it printed, displayed or raised, as plain text.

        Args:
            source: the code; `input()` in it waits for us.
            when_asked: awaited before `input()` gets its answer.
        """
        request = await self._send("shell", "execute_request", code=source, allow_stdin=True)
        shown, replied, idle = [], False, False
        while not (replied and idle):
            message = await self.channels.receive_json()
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "input_request":
                await when_asked()
                await self._send("stdin", "input_reply", value="")
            replied |= kind == "execute_reply"
            idle |= kind == "status" and content["execution_state"] == "idle"
            shown.append(as_text(kind, content))
        return "".join(shown)


def as_text(kind: str, content: dict[str, Any]) -> str:
    """What a message of a kernel shows to the learner."""
    if kind == "stream":
        return content["text"]
    if kind == "error":
        return "\n".join(content["traceback"])
    return content["data"].get("text/plain", "") if kind in ("display_data", "execute_result") else ""
