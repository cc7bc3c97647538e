"""The endpoints that work: weather, flights, exchange rates, one that is slow, an echo, and one that says what it is told."""

import asyncio
import json

from aiohttp import web

from . import places
from .parameters import USUAL_WAIT, BadParameter, seconds

routes = web.RouteTableDef()


@routes.get("/weather/{city}")
async def weather(request: web.Request) -> web.Response:
    """The weather in a city; `wait` in seconds."""
    await asyncio.sleep(seconds(request.query, USUAL_WAIT))
    return web.json_response(places.weather(request.match_info["city"]))


@routes.get("/flights/{city}")
async def flights(request: web.Request) -> web.Response:
    """The flights to a city, prices in euros; `wait` in seconds."""
    await asyncio.sleep(seconds(request.query, USUAL_WAIT))
    return web.json_response(places.flights(request.match_info["city"]))


@routes.get("/rates/{currency}")
async def rates(request: web.Request) -> web.Response:
    """How much of a currency one euro buys; `wait` in seconds."""
    await asyncio.sleep(seconds(request.query, USUAL_WAIT))
    return web.json_response(places.rate(request.match_info["currency"]))


@routes.get("/slow")
async def slow(request: web.Request) -> web.Response:
    """Takes `wait` seconds, two by default."""
    waited = seconds(request.query, 2.0)
    await asyncio.sleep(waited)
    return web.json_response({"waited": waited})


@routes.get("/says")
async def says(request: web.Request) -> web.Response:
    """Says the JSON that it is given as `json`, after `wait` seconds, at once by default."""
    try:
        told = json.loads(request.query["json"])
    except (KeyError, ValueError):
        raise BadParameter("json must be JSON") from None
    await asyncio.sleep(seconds(request.query, 0.0))
    return web.json_response(told)


@routes.get("/echo")
@routes.post("/echo")
async def echo(request: web.Request) -> web.Response:
    """What was sent: method, headers, query, and the JSON of a POST."""
    seen: dict[str, object] = {
        "method": request.method,
        "headers": dict(request.headers),
        "query": dict(request.query),
    }
    if request.method == "POST":
        seen["json"] = await _json_of(request)
    return web.json_response(seen)


async def _json_of(request: web.Request) -> object:
    try:
        return await request.json()
    except ValueError:
        raise BadParameter("the body must be JSON") from None
