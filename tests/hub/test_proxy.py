"""The proxy in front of a hub, with a small server behind it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from project import ROOT
from yarl import URL

from .hub import three_free_ports

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="2026-11-23: the hub is for Linux")
A_CLASS = 30
"""More requests at once than tornado's client would have under way."""


class Behind:
    """What stands behind the proxy: answers that are held until the test lets them go on."""

    def __init__(self) -> None:
        self.second_piece = asyncio.Event()
        self.everybody = asyncio.Barrier(A_CLASS)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"X-Seen": request.path_qs})
        await answer.prepare(request)
        await answer.write(b"first")
        await self.second_piece.wait()
        await answer.write(b"second")
        return answer

    async def together(self, request: web.Request) -> web.Response:
        await self.everybody.wait()
        return web.Response(text="all here")

    async def post(self, request: web.Request) -> web.Response:
        answer = web.Response(status=302, body=await request.read(), headers={"Location": "/elsewhere"})
        answer.set_cookie("one", "1")
        answer.set_cookie("two", "2")
        return answer

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data.upper())
        return socket

    def application(self) -> web.Application:
        routes = [web.get("/stream", self.stream), web.get("/together", self.together)]
        routes += [web.post("/post", self.post), web.get("/socket", self.socket)]
        application = web.Application()
        application.add_routes(routes)
        return application


@asynccontextmanager
async def proxied(behind: Behind) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the proxy."""
    runner = web.AppRunner(behind.application(), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := three_free_ports()).start()
    process = started(port)
    try:
        await asyncio.to_thread(wait_for_line, process, b"Proxy API at")
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port + 1}") as client:
            yield client
    finally:
        process.terminate()
        await asyncio.to_thread(process.communicate)
        await runner.cleanup()


def started(port: int) -> subprocess.Popen[bytes]:
    addresses = [
        "--ip",
        "127.0.0.1",
        "--port",
        str(port + 1),
        "--api-ip",
        "127.0.0.1",
        "--api-port",
        str(port + 2),
    ]
    options = [*addresses, "--default-target", f"http://127.0.0.1:{port}"]
    command = [sys.executable, "-P", str(ROOT / "deploy" / "proxy.py"), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for_line(process: subprocess.Popen[bytes], words: bytes) -> None:
    for line in process.stdout:
        if words in line:
            return
    raise RuntimeError("the proxy did not start")


async def pieces_of_a_stream(client: aiohttp.ClientSession, behind: Behind) -> list[bytes]:
    async with client.get(URL("/stream?a=%2Fb&c=d", encoded=True)) as answer:
        assert answer.headers["X-Seen"] == "/stream?a=%2Fb&c=d"
        first = await answer.content.readany()
        behind.second_piece.set()
        return [first, await answer.content.read()]


async def a_class_at_once(client: aiohttp.ClientSession) -> list[str]:
    async def one() -> str:
        async with client.get("/together") as answer:
            return await answer.text()

    return await asyncio.gather(*(one() for _ in range(A_CLASS)))


async def redirect_with_cookies(client: aiohttp.ClientSession) -> tuple[int, str, set[str], bytes]:
    async with client.post("/post", data=b"hello", allow_redirects=False) as answer:
        return answer.status, answer.headers["Location"], set(answer.cookies), await answer.read()


async def said_over_a_websocket(client: aiohttp.ClientSession) -> str:
    async with client.ws_connect("/socket") as socket:
        await socket.send_str("hello")
        return await socket.receive_str()


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What came through one proxy."""

    async def visit() -> dict[str, Any]:
        behind = Behind()
        async with asyncio.timeout(60), proxied(behind) as client:
            return {
                "pieces": await pieces_of_a_stream(client, behind),
                "class": await a_class_at_once(client),
                "redirect": await redirect_with_cookies(client),
                "websocket": await said_over_a_websocket(client),
            }

    return asyncio.run(visit())


def test_an_answer_is_passed_on_while_it_is_still_coming(seen: dict[str, Any]) -> None:
    assert seen["pieces"] == [b"first", b"second"]


def test_a_whole_class_waits_for_answers_at_the_same_time(seen: dict[str, Any]) -> None:
    assert seen["class"] == ["all here"] * A_CLASS


def test_a_redirect_a_body_and_every_cookie_are_passed_on(seen: dict[str, Any]) -> None:
    assert seen["redirect"] == (302, "/elsewhere", {"one", "two"}, b"hello")


def test_a_websocket_is_passed_on(seen: dict[str, Any]) -> None:
    assert seen["websocket"] == "HELLO"
