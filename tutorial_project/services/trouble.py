"""The endpoints that fail, in the ways of the real world."""

import asyncio
import json
from collections import Counter
from http.client import responses

from aiohttp import web

from . import places
from .parameters import USUAL_WAIT, number, seconds

routes = web.RouteTableDef()

FLAKY_CALLS: web.AppKey[Counter[str]] = web.AppKey("flaky_calls", Counter)
"""How often `/flaky` was called, by key."""


@routes.get("/failing")
async def failing(request: web.Request) -> web.Response:
    """Always fails, with `status` (400 to 599), 500 by default, after `wait` seconds, at once by default.

    With `as=page` it answers as a proxy does in front of a service that is gone: with HTML, and not with JSON.
    With `as=report` its JSON looks like a good answer.
    With `retry_after` it says after how many seconds to come back.
    """
    status = number(request.query, "status", 500, 400, 599)
    later = number(request.query, "retry_after", 0, 0, 3600)
    headers = {"Retry-After": str(later)} if later else {}
    await asyncio.sleep(seconds(request.query, 0.0))
    if request.query.get("as") == "page":
        page = f"<h1>{_phrase(status)}</h1>"
        return web.Response(text=page, content_type="text/html", status=status, headers=headers)
    said = places.weather("Oslo") if request.query.get("as") == "report" else {"error": _phrase(status)}
    return web.json_response(said, status=status, headers=headers)


@routes.get("/flaky")
async def flaky(request: web.Request) -> web.Response:
    """Fails with 503 at the first `fails` calls with this `key`, and works from then on; `wait` in seconds."""
    key, fails = request.query.get("key", ""), number(request.query, "fails", 2, 0, 1000)
    calls = request.app[FLAKY_CALLS]
    calls[key] += 1
    call = calls[key]
    await asyncio.sleep(seconds(request.query, 0.0))
    if call <= fails:
        return web.json_response({"error": f"{_phrase(503)}, call {call} of {fails} that fail"}, status=503)
    return web.json_response({"key": key, "call": call})


@routes.get("/busy")
async def busy(request: web.Request) -> web.Response:
    """Always answers 429 and asks to come back after `retry_after` seconds, one by default; `wait` in seconds.

    With `at` it names a moment in place of seconds, as HTTP allows: `at=Fri, 27 Nov 2026 18:00:00 GMT`.
    """
    retry_after = number(request.query, "retry_after", 1, 0, 3600)
    await asyncio.sleep(seconds(request.query, 0.0))
    error = f"{_phrase(429)}, try again in {retry_after} s"
    when = request.query.get("at", str(retry_after))
    return web.json_response({"error": error}, status=429, headers={"Retry-After": when})


@routes.get("/broken-json")
async def broken_json(request: web.Request) -> web.Response:
    """Says that it is JSON, and is not; `wait` in seconds.

    With `as=bytes` it is no text either, and with `as=packed` it says that it is packed, and is not.
    """
    await asyncio.sleep(seconds(request.query, 0.0))
    if request.query.get("as") == "bytes":
        return web.Response(body=b"\x9c\xff\xb1", content_type="application/json")
    if request.query.get("as") == "packed":
        packed = {"Content-Encoding": "gzip"}
        return web.Response(body=b"{}", content_type="application/json", headers=packed)
    return web.Response(text='{"city": "Lisbon", "celsius": ', content_type="application/json")


@routes.get("/hangs")
async def hangs(request: web.Request) -> web.Response:
    """Never answers."""
    return await asyncio.get_running_loop().create_future()


@routes.get("/half")
async def half(request: web.Request) -> web.StreamResponse:
    """Promises a body, sends half of it and closes the connection; `wait` in seconds."""
    await asyncio.sleep(seconds(request.query, 0.0))
    body = json.dumps(places.weather("Lisbon")).encode()
    response = web.StreamResponse(
        headers={"Content-Type": "application/json", "Content-Length": str(len(body))}
    )
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


@routes.get("/trickle")
async def trickle(request: web.Request) -> web.StreamResponse:
    """Sends its JSON in `chunks` pieces, five by default, `wait` seconds before each."""
    chunks, wait = number(request.query, "chunks", 5, 1, 1000), seconds(request.query, USUAL_WAIT)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for chunk in range(1, chunks + 1):
        await asyncio.sleep(wait)
        await response.write(_piece(chunk, chunks).encode())
    return response


def _piece(chunk: int, chunks: int) -> str:
    begin, end = '{"chunks": [' if chunk == 1 else ", ", "]}" if chunk == chunks else ""
    return f"{begin}{chunk}{end}"


def _phrase(status: int) -> str:
    return responses.get(status, "Unknown Error")
