import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from json import JSONDecodeError
from typing import Any
from uuid import uuid4

from django.db import IntegrityError
from django.db.models.signals import post_save

from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.trips.models import Destination, Theme, Trip
from tutorial_project.words import counted

from ..shared import expect

new_trip = Task(
    "new_trip",
    beside="answers_with_the_errors",
    routes=["trips/new/"],
    hints=(
        "Which steps of a form ask the database: making it, checking it, drawing it, saving it?",
        "`is_valid` and drawing belong in a thread. `form.save(commit=False)` asks nothing, so that you can fill in "
        "what is missing and await `asave`. What does it leave to you?",
        "`await sync_to_async(form.is_valid)()`, `trip = form.save(commit=False)`, `trip.seats_left = trip.seats`, "
        "`await trip.asave()`, `await sync_to_async(form.save_m2m)()`",
    ),
    praise="Right: what asks runs in a thread, and the relation to many is saved after its row. One sync function for "
    "all of the form, called once with `sync_to_async`, would do too.",
)


async def valid_data() -> dict[str, Any]:
    """What a browser sends for a trip that nobody can know, with two themes."""
    return {
        "title": f"Trip {uuid4().hex[:8]}",
        "departs": f"2027-04-{random.randint(10, 28)}",
        "nights": random.randint(2, 20),
        "price": f"{random.randint(100, 2000)}.50",
        "seats": random.randint(5, 50),
        "destination": random.choice([place.pk async for place in Destination.objects.all()]),
        "themes": random.sample([theme.pk async for theme in Theme.objects.all()], 2),
    }


FIELDS = ("departs", "nights", "price", "seats", "destination_id")


@new_trip.requirement(
    'makes a trip of a valid `POST /trips/new/`, with as many `seats_left` as `seats`, and answers 201 `{"trip": <its id>}`'
)
async def makes_a_trip(trial: Trial) -> None:
    gone = await Trip.objects.aget(pk=7)
    gone.pk = None
    await gone.asave()
    await gone.adelete()  # so that the next id is another number than the count of trips
    data = await valid_data()
    reply = await trial.post("/trips/new/", data=data)
    empty = isinstance(reply.error, IntegrityError) and "seats_left" in str(reply.error)
    words = {}
    if empty:
        words = {
            "because": "`seats_left` is not in the form, and must not be empty",
            "next": "`trip.seats_left = trip.seats` before it is saved",
        }
    elif isinstance(reply.error, ValueError) and "many-to-many" in str(reply.error):
        words = {
            "because": "the themes are saved when the trip has no row yet",
            "next": "first `await trip.asave()`, then `await sync_to_async(form.save_m2m)()`",
        }
    elif isinstance(reply.error, JSONDecodeError):
        words = {
            "because": "a form is sent as fields, and not as JSON",
            "next": "`TripForm(request.POST)`",
        }
    expect(reply, 201, **words)
    await expect_the_trip(reply, data)
    for seats in (random.randint(200, 2000), 0):
        data = {**await valid_data(), "seats": seats}
        reply = await trial.post("/trips/new/?from=mail", data=data)
        expect(reply, 201)
        await expect_the_trip(reply, data)
    await names_its_own_trip(trial)


async def names_its_own_trip(trial: Trial) -> None:
    """Refuse an answer that takes the newest trip for its own."""
    data = await valid_data()
    with another_one_right_after(data["title"]):
        reply = await trial.post("/trips/new/", data=data)
    reply.sent += "  and another trip is made right after this one"
    expect(reply, 201)
    await expect_the_trip(reply, data)


@contextmanager
def another_one_right_after(title: str) -> Iterator[None]:
    """Put a second trip on sale as soon as the one with this title is saved."""

    def make_another(instance: Trip, created: bool, **_: Any) -> None:
        if created and instance.title == title:
            fields = {name: getattr(instance, name) for name in (*FIELDS, "seats_left")}
            Trip.objects.bulk_create([Trip(title=uuid4().hex, **fields)])

    post_save.connect(make_another, sender=Trip)
    try:
        yield
    finally:
        post_save.disconnect(make_another, sender=Trip)


async def expect_the_trip(reply: Reply, data: dict[str, Any]) -> None:
    """Refuse unless the trip is in the database as it was sent, and the answer names it."""
    made = await Trip.objects.filter(title=data["title"]).afirst()
    reply.expect_that(
        made is not None,
        "the trip in the database",
        got="no such trip in the database",
        because="`form.save(commit=False)` writes nothing",
        next="`await trip.asave()`",
    )
    seats = data["seats"]
    reply.expect_that(
        made.seats_left == seats,
        f"{counted(seats, 'seat')} left",
        got=f"{counted(made.seats_left, 'seat')} left",
    )
    found = {name: str(getattr(made, name)) for name in FIELDS}
    sent = {name: str(data[name.removesuffix("_id")]) for name in FIELDS}
    reply.expect_that(found == sent, f"a trip with {sent}", got=f"a trip with {found}")
    expect(reply, 201, json={"trip": made.pk})


@new_trip.requirement("keeps the themes that were chosen")
async def keeps_the_themes(trial: Trial) -> None:
    themes = [theme.pk async for theme in Theme.objects.all()]
    for number in (2, 0, 3):
        data = {**await valid_data(), "themes": random.sample(themes, number)}
        reply = await trial.post("/trips/new/", data=data)
        expect(reply, 201)
        names = [theme.name async for theme in Theme.objects.filter(trips__title=data["title"])]
        chosen = [theme.name async for theme in Theme.objects.filter(pk__in=data["themes"])]
        lost = chosen and not names
        reply.expect_that(
            names == chosen,
            f"the themes {chosen} in the database",
            got=f"the themes {names} in the database",
            because="`commit=False` leaves the themes to `save_m2m`" if lost else None,
            next="`await sync_to_async(form.save_m2m)()`, after `asave`" if lost else None,
        )


@new_trip.requirement(
    'answers 400 `{"errors": …}` with the form\'s errors by field when the form is not valid, and makes nothing: a '
    "destination that does not exist, a title that is taken, a missing price"
)
async def answers_with_the_errors(trial: Trial) -> None:
    taken = (await Trip.objects.aget(pk=7)).title
    for wrong in (
        {"destination": 7000},
        {"title": taken},
        {"price": ""},
        {"title": taken, "price": ""},
        {"seats": "many"},
        {"themes": [7000]},
    ):
        data = {**await valid_data(), **wrong}
        before = await Trip.objects.acount()
        reply = await trial.post("/trips/new/", data=data)
        unchecked = "didn't validate" in str(reply.error)
        expect(
            reply,
            400,
            because="the form is not valid, and was saved all the same" if unchecked else None,
            next="look at what `is_valid` gives" if unchecked else None,
        )
        named = ", ".join(f'"{field}": […]' for field in wrong)
        errors = reply.json.get("errors") if isinstance(reply.json, dict) else None
        reply.expect_that(
            isinstance(errors, dict) and set(errors) == set(wrong) and all(errors.values()),
            f'400 {{"errors": {{{named}}}}}',
        )
        after = await Trip.objects.acount()
        reply.expect_that(after == before, "no trip made", got=f"{after - before} trip made")


@new_trip.requirement(
    "answers `GET /trips/new/` with the HTML of the empty form, every destination in its select"
)
async def draws_the_form(trial: Trial) -> None:
    for _ in range(2):
        await Destination.objects.acreate(name=(name := uuid4().hex[:8]), slug=name, country="Nowhere")
        await expect_the_empty_form(trial)


async def expect_the_empty_form(trial: Trial) -> None:
    """Refuse unless the page has a form to fill in, with every destination that there is now."""
    reply = await trial.get("/trips/new/")
    expect(reply)
    options = re.findall(r"<option[^>]*>(.*?)</option>", reply.text)
    names = [place.name async for place in Destination.objects.all()]
    missing = [name for name in names if name not in map(unescape, options)]
    reply.expect_that(
        not missing and 'name="title"' in reply.text,
        f"a form with {len(names)} destinations to choose from",
        got=f"a page without {missing[0]}" if missing else None,
    )
    reply.expect_that("errorlist" not in reply.text, "an empty form", got="a form that shows errors")
    filled = [found for found in map(value_of_the_field(reply.text), TEXT_FIELDS) if found]
    reply.expect_that(
        not filled, "an empty form", got=f"a form with {filled[0]!r} filled in" if filled else None
    )


TEXT_FIELDS = ("title", "departs", "nights", "price", "seats")


def value_of_the_field(page: str) -> Callable[[str], str | None]:
    """What stands in an input of the page, by its name; or None."""

    def value(name: str) -> str | None:
        tag = re.search(rf'<input[^>]*name="{name}"[^>]*>', page)
        found = re.search(r'value="([^"]+)"', tag[0]) if tag else None
        return unescape(found[1]) if found else None

    return value


@new_trip.requirement("leaves the event loop free while it does so")
async def holds_nobody_up(trial: Trial) -> None:
    expect(await trial.never_holds_the_loop("/trips/new/"))
    expect(await trial.never_holds_the_loop("/trips/new/", method="POST", data=await valid_data()), 201)
