import re
from datetime import date
from html import unescape
from typing import Any

from django.core.exceptions import ObjectDoesNotExist

from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.classroom import queries
from tutorial_project.trips.models import Destination, Trip

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
    "cheapest first, each with its themes"
)
async def shows_the_trips(trial: Trial) -> None:
    await Trip.objects.filter(pk=7).aupdate(active=False)  # one of those to Kyoto
    reply = await trial.get("/destinations/kyoto/")
    shown = titles(reply)
    reply.expect_that("<h1>Kyoto, Japan</h1>" in reply.text, "a page with the headline Kyoto, Japan")
    kyoto = Trip.objects.filter(destination__slug="kyoto")
    off_sale = [trip.title async for trip in kyoto.filter(active=False) if trip.title in shown]
    reply.expect_that(
        not off_sale,
        "no trip that is off sale",
        got=f"{off_sale[0]!r} among them" if off_sale else None,
        because="it is not `active`",
    )
    expected = [trip.title async for trip in kyoto.filter(active=True).order_by("price")]
    reply.expect_that(shown == expected, f"the trips {expected}", got=f"the trips {shown}")
    found = [unescape(themes) for themes in re.findall(r'<p class="quiet">(.*?)</p>', reply.text)]
    rows = {
        trip.title: ", ".join(theme.name for theme in trip.themes.all())
        async for trip in Trip.objects.filter(destination__slug="kyoto").prefetch_related("themes")
    }
    expected = [rows.get(title, "") for title in shown]
    reply.expect_that(found == expected, f"the themes {expected}", got=f"the themes {found}")


@destination_page.requirement("greets Ada by her name when she is logged in")
async def greets_ada(trial: Trial) -> None:
    await trial.log_in("ada")
    reply = await trial.get("/destinations/kyoto/")
    expect(reply)
    reply.expect_that(
        "<span>ada</span>" in reply.text,
        "a page with the name ada",
        got="a page without a user",
        because="the template's `user` comes from the request",
        next="`TemplateResponse(request, …)`, or `await request.auser()` in the context",
    )


@destination_page.requirement("answers 404 for `GET /destinations/atlantis/`, a slug that no destination has")
async def knows_no_atlantis(trial: Trial) -> None:
    reply = await trial.get("/destinations/atlantis/")
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
    await Trip.objects.abulk_create([Trip(**some, title=f"Temple {n}", price=100 + n) for n in range(10)])
    with queries() as sent:
        reply = await trial.get("/destinations/kyoto/")
    rows = len(titles(reply))
    reply.expect_that(
        len(sent) <= 3,
        "3 queries at most",
        got=f"{len(sent)} queries",
        because=f"a query is sent for each of the {rows} trips" if len(sent) > rows else None,
        next="`prefetch_related` for the themes" if len(sent) > rows else None,
    )
