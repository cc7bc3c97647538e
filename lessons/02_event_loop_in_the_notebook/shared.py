"""What the tasks of this lesson make up, and the early call that two of them recognise."""

from __future__ import annotations

import itertools
import linecache
import random
import re
import traceback
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

from django.core.exceptions import SynchronousOnlyOperation

from tutorial_project.trips.models import Destination, Trip

EARLY_CALL = re.compile(r"sync_to_async\(\s*(\w[\w.]*)\(")


async def new_destination(name: str = "") -> Destination:
    """A city of which nobody could know, unless it is named."""
    name = name or f"Port d'{uuid4().hex[:6]}"
    return await Destination.objects.acreate(name=name, slug=f"city-{uuid4().hex[:6]}", country="Utopia")


async def exchange_names(one: Destination, other: Destination) -> None:
    """Let each of two cities have the name of the other, and keep its trips."""
    one.name, other.name = other.name, one.name
    for city, name in ((one, f"{one.name} for a moment"), (other, other.name), (one, one.name)):
        await Destination.objects.filter(pk=city.pk).aupdate(name=name)


AGO_OR_AHEAD = itertools.cycle((-1, 1))


async def new_trip(
    destination: Destination,
    price: Decimal | int | None = None,
    title: str = "",
    departs: date | None = None,
) -> Trip:
    """A trip with a title of its own unless one is given, on any day: of two, one has gone by and one is to come."""
    trip = made_trip(destination, departs or date.today() + next(AGO_OR_AHEAD) * _some_days(), title)
    trip.price = Decimal(random.randrange(100, 900) if price is None else price)
    await trip.asave()
    return trip


def _some_days() -> timedelta:
    return timedelta(days=random.randrange(1, 3_000))


def made_trip(destination: Destination, departs: date, title: str = "") -> Trip:
    """A trip that is not saved yet."""
    return Trip(
        destination=destination,
        title=title or f"Trip {uuid4().hex[:6]}",
        departs=departs,
        nights=3,
        price=random.randrange(100, 900),
        seats=8,
        seats_left=8,
    )


def words_of_an_early_call(error: BaseException | None) -> tuple[str | None, str | None]:
    """`because` and `next` where the line that failed calls what it hands to `sync_to_async`."""
    if isinstance(error, SynchronousOnlyOperation):
        for frame, line in traceback.walk_tb(error.__traceback__):
            found = EARLY_CALL.search(linecache.getline(frame.f_code.co_filename, line))
            if found:
                return (
                    f"`{found[1]}(…)` is called first, on the event loop: `sync_to_async` would get what it gives back",
                    f"hand the function over, and call what comes back: `await sync_to_async({found[1]})(…)`",
                )
    return None, None
