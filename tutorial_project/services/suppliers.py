"""The suppliers: each has a price for a city of its own, and the seats that they sell are counted."""

import asyncio

from aiohttp import web

from . import places
from .parameters import USUAL_WAIT, seconds

routes = web.RouteTableDef()

BOOKINGS: web.AppKey[list[str]] = web.AppKey("bookings", list)
"""The keys of the seats that are booked, "" for those without a key."""


@routes.get("/quotes/{supplier}/{city}")
async def quotes(request: web.Request) -> web.Response:
    """What a supplier asks for a trip to a city, in euros; `wait` in seconds."""
    await asyncio.sleep(seconds(request.query, USUAL_WAIT))
    return web.json_response(places.quote(request.match_info["supplier"], request.match_info["city"]))


@routes.post("/bookings")
async def book(request: web.Request) -> web.Response:
    """Books a seat at once and confirms it after `wait` seconds; one seat for each `Idempotency-Key`."""
    bookings, key = request.app[BOOKINGS], request.headers.get("Idempotency-Key", "")
    if not key or key not in bookings:
        bookings.append(key)
    await asyncio.sleep(seconds(request.query, USUAL_WAIT))
    return web.json_response({"booked": True}, status=201)


@routes.get("/bookings")
async def booked(request: web.Request) -> web.Response:
    """How many seats are booked."""
    return web.json_response({"seats": len(request.app[BOOKINGS])})
