"""What stands beside `serve()`."""

from __future__ import annotations

import asyncio
import socket

import pytest

from bench.child import in_new_process
from bench.load import connected
from bench.serving import bare_uvicorn, called, listening_socket
from tutorial_project.classroom import serve


async def application(scope: object, receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def refusing(scope: object, receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 400, "headers": []})


def test_answers_on_a_kept_connection_are_not_held_back() -> None:
    """Else the bare server would be forty milliseconds slower than any other."""

    async def delay_is_off() -> bool:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            no_delay = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            writer.close()
            await writer.wait_closed()
            found.set_result(no_delay)

        listening = listening_socket()
        serving = await asyncio.start_server(accept, sock=listening)
        async with serving, connected(listening.getsockname()[1], "/"):
            return bool(await found)

    assert asyncio.run(delay_is_off())


def test_both_servers_answer_the_load() -> None:
    with serve(application, name="bench") as classroom, bare_uvicorn(application) as bare:
        for port in (classroom.port, bare):
            assert in_new_process("load", "rate", port, "/", 4, 2, limit=30) > 0


def test_djangos_own_time_is_not_that_of_an_error_page() -> None:
    asyncio.run(called(application))
    with pytest.raises(RuntimeError, match="400"):
        asyncio.run(called(refusing))
