import json
import random
from datetime import date
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist

from tutorial_project.checks import Reply
from tutorial_project.checks.kinds.made_up import made_up
from tutorial_project.trips.models import Destination, Trip
from tutorial_project.words import counted


async def made_up_destination(slug: str = "") -> Destination:
    """A destination that has no trip yet."""
    name, slug = made_up("isle").title(), slug or made_up("island")  # neither tells the other
    return await Destination.objects.acreate(name=name, slug=slug, country="Maldives")


async def made_up_trip(place: Destination | None = None, **fields: Any) -> Trip:
    """A trip on sale to a place, or to one of its own; it has some seats left, and nobody has booked."""
    left = random.randint(3, 9)
    known = {"title": made_up("trip").title(), "departs": date(2027, 5, 1), "nights": 2, "price": 300}
    known |= {"destination": place or await made_up_destination(), "seats": 20, "seats_left": left}
    return await Trip.objects.acreate(**known | fields)


DEPARTED = date(2020, 5, 1)
"""A day of the past: whether a trip is on sale is for `active` to say."""


async def made_up_traveller(**fields: Any) -> User:
    """A user who has no booking; an older one has the same name in capitals."""
    name = made_up("traveller")
    await User.objects.acreate(username=name.upper())
    return await User.objects.acreate(username=name, **fields)


def listed(reply: Reply, key: str) -> list[dict[str, Any]]:
    """The rows that the answer lists under `key`; refuses when there is no such list."""
    reply.expect(200)
    rows = reply.json.get(key) if isinstance(reply.json, dict) else None
    usable = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    reply.expect_that(usable, f'200 {{"{key}": [{{…}}, …]}}')
    return rows


def expect_rows(reply: Reply, rows: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Refuse when there are more or fewer rows, or at the first that differs in a key of the expected one."""
    reply.expect_that(
        len(rows) == len(expected), counted(len(expected), "row"), got=counted(len(rows), "row")
    )
    for row, wanted in zip(rows, expected, strict=True):
        told = {key: row.get(key) for key in wanted}
        reply.expect_that(told == wanted, as_json(wanted), got=as_json(told))


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def expect_few_queries(reply: Reply, sent: list[str], most: int, rows: int, next: str) -> None:
    """Refuse when more than `most` queries were sent for an answer of `rows` rows."""
    reply.expect(200)
    one_by_one = f"a query is sent for each of the {rows} rows" if len(sent) >= rows > most else None
    reply.expect_that(
        len(sent) <= most,
        f"{counted(most, 'query', 'queries')} at most",
        got=counted(len(sent), "query", "queries"),
        because=one_by_one,
        next=next if one_by_one else None,
    )


def expect_404(reply: Reply) -> None:
    """Refuse unless the status is 404, and say so when a row was missed and nobody caught the error."""
    missed = isinstance(reply.error, ObjectDoesNotExist)
    reply.expect(
        404,
        because="`aget` raises when there is no such row, and the traveller gets a 500" if missed else None,
        next="await aget_object_or_404(…)" if missed else None,
    )


FREE = "leaves the event loop free for others while it works"
