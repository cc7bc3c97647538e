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
    name = name or f"City {uuid4().hex[:6]}"
    return await Destination.objects.acreate(name=name, slug=f"city-{uuid4().hex[:6]}", country="Utopia")


AGO_OR_AHEAD = itertools.cycle((-1, 1))


async def new_trip(destination: Destination, price: Decimal | int | None = None, title: str = "") -> Trip:
    """A trip with a title of its own unless one is given, on any day: of two, one has gone by and one is to come."""
    days = next(AGO_OR_AHEAD) * random.randrange(1, 3_000)
    return await Trip.objects.acreate(
        destination=destination,
        title=title or f"Trip {uuid4().hex[:6]}",
        departs=date.today() + timedelta(days=days),
        nights=3,
        price=random.randrange(100, 900) if price is None else price,
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
