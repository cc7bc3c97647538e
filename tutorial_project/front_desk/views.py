"""The views of the front desk: each shows one thing that servers do differently."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

from django.http import HttpRequest, JsonResponse, StreamingHttpResponse

logbook: list[str] = []
"""What happened in this process, in order."""

_inside: set[object] = set()
_letters: set[asyncio.Task[None]] = set()


async def welcome(request: HttpRequest) -> JsonResponse:
    """Answer with the class of the request, which says who brought it."""
    return JsonResponse({"request": type(request).__name__})


async def queue(request: HttpRequest) -> JsonResponse:
    """Wait 0.4 s; answer with the number of visitors who were inside when this one came."""
    visitor = object()
    _inside.add(visitor)
    together = len(_inside)
    await asyncio.sleep(0.4)
    _inside.discard(visitor)
    return JsonResponse({"together": together})


async def departures(request: HttpRequest) -> StreamingHttpResponse:
    """Stream three lines 0.2 s apart; each says when it was made, in seconds of `time.time()`."""

    async def lines() -> AsyncIterator[str]:
        for city in ("Lisbon", "Kyoto", "Bergen"):
            yield json.dumps({"to": city, "made": time.time()}) + "\n"
            await asyncio.sleep(0.2)

    return StreamingHttpResponse(lines(), content_type="application/x-ndjson")


async def hotline(request: HttpRequest) -> JsonResponse:
    """Hold the caller for a second, and note whether the view learns that the caller has left."""
    logbook.append("call began")
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        logbook.append("view cancelled")
        raise
    logbook.append("view waited to the end")
    return JsonResponse({"answer": "How can we help?"})


async def confirm(request: HttpRequest) -> JsonResponse:
    """Answer at once, and send a letter 0.1 s later."""
    task = asyncio.create_task(_send_letter())
    _letters.add(task)  # the event loop keeps only a weak reference
    task.add_done_callback(_letters.discard)
    return JsonResponse({"confirmed": True})


async def _send_letter() -> None:
    try:
        await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        logbook.append("letter lost")
        raise
    logbook.append("letter sent")


async def read_logbook(request: HttpRequest) -> JsonResponse:
    """Answer with what happened in this process so far."""
    return JsonResponse({"logbook": logbook})
