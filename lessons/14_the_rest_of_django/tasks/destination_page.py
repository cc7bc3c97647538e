import random
import re
from datetime import date
from decimal import Decimal
from html import unescape
from typing import Any
from uuid import uuid4

from django.core.exceptions import ObjectDoesNotExist

from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.classroom import queries
from tutorial_project.trips.models import Destination, Theme, Trip
from tutorial_project.words import counted

from ..shared import expect


def among_the_agencys_urls(view: Any) -> Any:
    """The answer before the agency's own URLs, whose names its templates use."""
    from django.urls import include, path

    from tutorial_project.checks.trial import TrialHandler

    own = path("destinations/<slug:slug>/", view, name="destination")
    return TrialHandler([own, path("", include("tutorial_project.trips.urls"))])


destination_page = Task(
    "destination_page",
    application=among_the_agencys_urls,
    hints=(
        "Who reads the trips, the themes and the user: your view, or the template? And where does the template run?",
        "A `TemplateResponse` is filled after the view, in a thread: what is lazy may stay lazy. Say up front which "
        "relations the template will touch.",
        "`trips = destination.trips.filter(active=True).order_by(…).prefetch_related(…)`, and "
        '`return TemplateResponse(request, "trips/destination_detail.html", {…})`',
    ),
    praise="Right: the page is filled where it may ask. A list of trips and the user from `auser()` in the context of "
    "`render` would do too, and so would `sync_to_async(render)`.",
)


def titles(reply: Reply) -> list[str]:
    """The titles of the trips on the page, in their order; refuses when there is no page."""
    expect(reply)
    return [unescape(title) for title in re.findall(r"<h2><a [^>]*>(.*?)</a></h2>", reply.text)]


@destination_page.requirement(
    "answers `GET /destinations/kyoto/` with the page of Kyoto: its trips that are `active` and no others, the "
    "cheapest first, each with its themes; and each other destination in the same way"
)
async def shows_the_trips(trial: Trial) -> None:
    await Trip.objects.filter(pk=7).aupdate(active=False)  # one of those to Kyoto
    await expect_the_page(trial, await Destination.objects.aget(slug="kyoto"))
    place = await made_up_destination()
    await expect_the_page(trial, place)
    cheapest = await place.trips.filter(active=True).order_by("price").afirst()
    await Trip.objects.filter(pk=cheapest.pk).aupdate(active=False)
    await place.trips.filter(pk=(await place.trips.filter(active=True).alast()).pk).aupdate(price=1)
    place.name = uuid4().hex[:8].title()
    await place.asave()
    await expect_the_page(trial, place)
    twin = await Destination.objects.acreate(
        name=f"{place.name} again", slug=place.slug.upper(), country="Nowhere"
    )
    await expect_the_page(trial, twin)
    empty = await Destination.objects.acreate(name=(name := uuid4().hex[:8]), slug=name, country="Nowhere")
    await expect_the_page(trial, empty)


async def expect_the_page(trial: Trial, place: Destination) -> None:
    """Refuse unless the page shows the destination's trips on sale as the database knows them now."""
    reply = await trial.get(f"/destinations/{place.slug}/")
    shown = titles(reply)
    headline = f"{place.name}, {place.country}"
    reply.expect_that(f"<h1>{headline}</h1>" in reply.text, f"a page with the headline {headline}")
    off_sale = [trip.title async for trip in place.trips.filter(active=False) if trip.title in shown]
    reply.expect_that(
        not off_sale,
        "no trip that is off sale",
        got=f"{off_sale[0]!r} among them" if off_sale else None,
        because="it is not `active`",
    )
    rows = [
        trip async for trip in place.trips.filter(active=True).order_by("price").prefetch_related("themes")
    ]
    expected = [trip.title for trip in rows]
    reply.expect_that(shown == expected, f"the trips {expected}", got=f"the trips {shown}")
    found = [unescape(themes) for themes in re.findall(r'<p class="quiet">(.*?)</p>', reply.text)]
    expected = [", ".join(theme.name for theme in trip.themes.all()) for trip in rows]
    reply.expect_that(found == expected, f"the themes {expected}", got=f"the themes {found}")


async def made_up_destination() -> Destination:
    """A destination that nobody can know, with trips whose prices have two to four digits, some only other cents."""
    name = f"{uuid4().hex[:8]}-bay"
    place = await Destination.objects.acreate(name=name.title(), slug=name, country="Nowhere")
    themes = [theme async for theme in Theme.objects.all()]
    prices = [Decimal(price) for price in random.sample([*range(20, 99), *range(1000, 1100)], 12)]
    prices += [prices[0] + cents for cents in (Decimal("0.90"), Decimal("0.25"))]
    trips = [
        Trip(
            destination=place,
            title=f"Trip {uuid4().hex[:8]}",
            departs=date(2027 if day % 3 else 2019, 5, day),
            nights=2,
            price=price,
            seats=4,
            seats_left=4 if day % 2 else 0,
            active=day != 4,
        )
        for day, price in enumerate(prices, start=1)
    ]
    await Trip.objects.abulk_create(trips)
    link = Trip.themes.through
    await link.objects.abulk_create(
        link(trip=trip, theme=theme)
        for trip in trips
        for theme in random.sample(themes, random.randint(0, 2))
    )
    return place


NO_USER = {
    "because": "the template's `user` comes from the request",
    "next": "`TemplateResponse(request, …)`, or `await request.auser()` in the context",
}


@destination_page.requirement("greets each user who is logged in by the own name, and nobody else")
async def greets_ada(trial: Trial) -> None:
    for name in ("ada", random.choice(["grace", "frances"])):
        await trial.log_in(name)
        reply = await trial.get("/destinations/kyoto/")
        expect(reply)
        reply.expect_that(
            f"<span>{name}</span>" in reply.text,
            f"a page with the name {name}",
            got="a page without that name",
            **({} if "<span>" in reply.text else NO_USER),
        )
    trial.cookies.clear()
    reply = await trial.get("/destinations/kyoto/")
    expect(reply)
    reply.expect_that("<span>" not in reply.text, "a page without a name for a visitor who is not logged in")


@destination_page.requirement("answers 404 for `GET /destinations/atlantis/`, a slug that no destination has")
async def knows_no_atlantis(trial: Trial) -> None:
    name = f"{uuid4().hex[:8]}-bay"
    place = await Destination.objects.acreate(name=name, slug=name, country="Nowhere")
    for slug in ("atlantis", place.slug[:8], f"{place.slug}-2"):
        await expect_not_found(await trial.get(f"/destinations/{slug}/"))


async def expect_not_found(reply: Reply) -> None:
    words = {}
    if isinstance(reply.error, ObjectDoesNotExist):
        words["because"] = "`aget` raises when there is no such row, and the visitor gets a 500"
    elif isinstance(reply.error, AttributeError) and "'NoneType'" in str(reply.error):
        words["because"] = "`afirst` gives None when there is no such row"
    if words:
        words["next"] = "await aget_object_or_404(…)"
    expect(reply, 404, **words)


@destination_page.requirement(
    "sends three queries at most for a visitor's page, however many trips there are"
)
async def sends_three_queries(trial: Trial) -> None:
    kyoto = await Destination.objects.aget(slug="kyoto")
    some = {"destination": kyoto, "departs": date(2027, 5, 1), "nights": 2, "seats": 4, "seats_left": 4}
    await Trip.objects.abulk_create([Trip(**some, title=f"Temple {n}", price=100 + n) for n in range(30)])
    with queries() as sent:
        reply = await trial.get("/destinations/kyoto/")
    rows, on_sale = len(titles(reply)), await kyoto.trips.filter(active=True).acount()
    reply.expect_that(rows == on_sale, f"a page with {on_sale} trips", got=f"a page with {rows} trips")
    reply.expect_that(
        len(sent) <= 3,
        "3 queries at most",
        got=counted(len(sent), "query", "queries"),
        because=f"a query is sent for each of the {rows} trips" if len(sent) > rows else None,
        next="`prefetch_related` for the themes" if len(sent) > rows else None,
    )


@destination_page.requirement("leaves the event loop free")
async def holds_nobody_up(trial: Trial) -> None:
    expect(await trial.never_holds_the_loop("/destinations/kyoto/"))
