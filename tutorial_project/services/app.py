"""The services as one aiohttp application: every request is counted, held at its barriers, and answered."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from . import endpoints, suppliers, trouble
from .barrier import ExpectedBarrier, NamedBarriers, NotTogether
from .parameters import BadParameter, number
from .statistics import Statistics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class State:
    """What the application and the Python side of the services share.

    Attributes:
        barriers: those that requests ask for by name.
        expected: those that Python code asked for.
        replaced: how the path of a request begins, and what it is answered as.
        slowed: how the path of a request begins, and the seconds that it waits more.
        statistics: the counts since the last `forget()`, which puts a new object here.
        flaky_calls: how often `/flaky` was called, by key.
        bookings: the keys of the seats that are booked.
        stopping: True from the moment the server closes its connections.
    """

    barriers: NamedBarriers
    expected: list[ExpectedBarrier] = field(default_factory=list)
    replaced: list[tuple[str, str]] = field(default_factory=list)
    slowed: list[tuple[str, float]] = field(default_factory=list)
    statistics: Statistics = field(default_factory=Statistics)
    flaky_calls: Counter[str] = field(default_factory=Counter)
    bookings: list[str] = field(default_factory=list)
    stopping: bool = False


STATE = web.AppKey("state", State)


def build_app(state: State) -> web.Application:
    """The application that serves every endpoint and writes down in `state` what happens."""
    app = web.Application(
        middlewares=[count_requests, errors_as_json, hold_at_barriers, slow_down, answer_as_replaced]
    )
    app[STATE] = state
    app[trouble.FLAKY_CALLS] = state.flaky_calls
    app[suppliers.BOOKINGS] = state.bookings
    app.add_routes([*endpoints.routes, *suppliers.routes, *trouble.routes])
    return app


@web.middleware
async def count_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record the request, from its arrival to its answer or its end."""
    state = request.app[STATE]
    statistics = state.statistics  # kept, so that a request ends where it began when forget() comes between
    record = statistics.arrive(request.method, request.path, dict(request.query), request.transport)
    try:
        response = await handler(request)
        record.status = response.status
        return response
    except (asyncio.CancelledError, ConnectionError):
        record.client_left = not state.stopping
        raise
    finally:
        statistics.leave(record)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what cannot be served with a JSON object that says why."""
    try:
        return await handler(request)
    except BadParameter as error:
        return web.json_response({"error": str(error)}, status=400)
    except NotTogether as error:
        return web.json_response({"error": str(error)}, status=409)
    except web.HTTPException as error:
        return web.json_response({"error": _explain(request, error)}, status=error.status)


@web.middleware
async def hold_at_barriers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Hold the request at the barrier that Python code expects it at, and at the one it names."""
    state = request.app[STATE]
    for barrier in state.expected:
        if barrier.wants(request.path):
            await barrier.hold()
            break
    if (parties := number(request.query, "together", 1, 1, 1000)) > 1:
        await state.barriers.hold(request.query.get("barrier", ""), parties)
    return await handler(request)


@web.middleware
async def slow_down(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the request wait, where Python code asked for that."""
    for path_prefix, by in request.app[STATE].slowed:
        if request.path.startswith(path_prefix):
            await asyncio.sleep(by)
    return await handler(request)


@web.middleware
async def answer_as_replaced(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer the request as the endpoint that replaces its own does."""
    for path_prefix, by in request.app[STATE].replaced:
        if request.path.startswith(path_prefix):
            request = await _as_if_to(request, by)
            return await request.match_info.handler(request)
    return await handler(request)


async def _as_if_to(request: web.Request, path: str) -> web.Request:
    found = await request.app.router.resolve(clone := request.clone(rel_url=path))
    found.add_app(request.app)
    clone._match_info = found  # aiohttp has no public way to hand a request on
    return clone


def _explain(request: web.Request, error: web.HTTPException) -> str:
    if error.status == 404:
        paths = dict.fromkeys(resource.canonical for resource in request.app.router.resources())
        return f"there is no service {request.path}; there are {', '.join(paths)}"
    return f"{request.method} {request.path}: {error.reason}"
