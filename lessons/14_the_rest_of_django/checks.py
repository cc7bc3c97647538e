import asyncio
import re
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from html import unescape
from json import JSONDecodeError
from typing import Any
from unittest.mock import patch

from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ObjectDoesNotExist, SynchronousOnlyOperation
from django.db import IntegrityError

import tutorial_project.services.client
from tutorial_project.classroom.checks import Refusal, Reply, Task, Trial, counted_queries
from tutorial_project.services.start import start_services
from tutorial_project.trips.models import Destination, Theme, Trip

SYNC_ONLY = (
    # (file, functions, cause, next step); the first that is in the traceback is what the answer called
    (
        "forms/forms.py",
        "is_valid errors full_clean",
        "`is_valid` asks the database, in the event loop",
        "`await sync_to_async(form.is_valid)()`",
    ),
    (
        "forms/models.py",
        "save _save_m2m save_m2m",
        "`{}` of the form writes to the database, in the event loop",
        "`form.save(commit=False)` and `asave`; `await sync_to_async(form.save_m2m)()`",
    ),
    (
        "forms/utils.py",
        "render as_p as_div as_table as_ul __str__",
        "the form reads what its selects offer while it is drawn, in the event loop",
        "`await sync_to_async(form.as_p)()`",
    ),
    (
        "django/shortcuts.py",
        "render",
        "`render` fills the template in the event loop, and the template asks the database",
        "`return TemplateResponse(request, …)`: it is filled in a thread, after the view",
    ),
    (
        "template/loader.py",
        "render_to_string",
        "the template is filled in the event loop, and asks the database",
        "`return TemplateResponse(request, …)`: it is filled in a thread, after the view",
    ),
)


def sync_call(error: BaseException | None) -> dict[str, str]:
    """The cause and the next step, when the error came from a sync part of Django that was refused."""
    if not isinstance(error, SynchronousOnlyOperation):
        return {}
    for file, names, because, step in SYNC_ONLY:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename.replace("\\", "/").endswith(file) and frame.name in names.split():
                return {"because": because.format(frame.name.lstrip("_")), "next": step}
    return {}


@contextmanager
def told_by_name(reply: Reply) -> Iterator[None]:
    """Name the sync part of Django in a refusal within the `with` block."""
    try:
        yield
    except Refusal as refusal:
        if known := sync_call(reply.error):
            parts = {"sent": refusal.sent, "expected": refusal.expected, "got": refusal.got}
            raise Refusal(**parts, **known) from reply.error
        raise


def expect(reply: Reply, status: int = 200, **words: Any) -> None:
    """As `reply.expect`, and say which sync call was refused."""
    with told_by_name(reply):
        reply.expect(status, **words)


def among_the_agencys_urls(view: Any) -> Any:
    """The answer before the agency's own URLs, whose names its templates use."""
    from django.urls import include, path

    from tutorial_project.classroom.checks.trial import TrialHandler

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
    with counted_queries() as sent:
        reply = await trial.get("/destinations/kyoto/")
    rows = len(titles(reply))
    reply.expect_that(
        len(sent) <= 3,
        "3 queries at most",
        got=f"{len(sent)} queries",
        because=f"a query is sent for each of the {rows} trips" if len(sent) > rows else None,
        next="`prefetch_related` for the themes" if len(sent) > rows else None,
    )


new_trip = Task(
    "new_trip",
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
    """What a browser sends for a trip to Kyoto with two themes."""
    kyoto = await Destination.objects.aget(slug="kyoto")
    data = {"title": "Moss gardens", "departs": "2027-04-01", "nights": 5, "price": "890.00", "seats": 12}
    themes = [theme.pk async for theme in Theme.objects.filter(name__in=["city", "hiking"])]
    return {**data, "destination": kyoto.pk, "themes": themes}


@new_trip.requirement(
    'makes a trip of a valid `POST /trips/new/`, with as many `seats_left` as `seats`, and answers 201 `{"trip": <its id>}`'
)
async def makes_a_trip(trial: Trial) -> None:
    reply = await trial.post("/trips/new/", data=await valid_data())
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
    made = await Trip.objects.filter(title="Moss gardens").afirst()
    reply.expect_that(
        made is not None,
        "the trip in the database",
        got="no such trip in the database",
        because="`form.save(commit=False)` writes nothing",
        next="`await trip.asave()`",
    )
    reply.expect_that(made.seats_left == 12, "12 seats left", got=f"{made.seats_left} seats left")
    expect(reply, 201, json={"trip": made.pk})


@new_trip.requirement("keeps the themes that were chosen")
async def keeps_the_themes(trial: Trial) -> None:
    reply = await trial.post("/trips/new/", data=await valid_data())
    expect(reply, 201)
    names = [theme.name async for theme in Theme.objects.filter(trips__title="Moss gardens")]
    reply.expect_that(
        names == ["city", "hiking"],
        "the themes ['city', 'hiking'] in the database",
        got=f"the themes {names} in the database",
        because="`commit=False` leaves the themes to `save_m2m`" if not names else None,
        next="`await sync_to_async(form.save_m2m)()`, after `asave`" if not names else None,
    )


@new_trip.requirement(
    'answers 400 `{"errors": …}` with the form\'s errors by field when the form is not valid, and makes nothing: a '
    "destination that does not exist, a title that is taken, a missing price"
)
async def answers_with_the_errors(trial: Trial) -> None:
    taken = (await Trip.objects.aget(pk=7)).title
    for field, value in (("destination", 7000), ("title", taken), ("price", "")):
        before = await Trip.objects.acount()
        reply = await trial.post("/trips/new/", data={**await valid_data(), field: value})
        unchecked = isinstance(reply.error, ValueError | AttributeError)
        expect(
            reply,
            400,
            because="the form is not valid, and was saved all the same" if unchecked else None,
            next="look at what `is_valid` gives" if unchecked else None,
        )
        errors = reply.json.get("errors") if isinstance(reply.json, dict) else None
        reply.expect_that(
            isinstance(errors, dict) and list(errors) == [field] and bool(errors[field]),
            f'400 {{"errors": {{"{field}": […]}}}}',
        )
        after = await Trip.objects.acount()
        reply.expect_that(after == before, "no trip made", got=f"{after - before} trip made")


@new_trip.requirement(
    "answers `GET /trips/new/` with the HTML of the empty form, every destination in its select"
)
async def draws_the_form(trial: Trial) -> None:
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


forecast = Task(
    "forecast",
    routes=["forecast/<str:city>/"],
    limit=2.5,
    hints=(
        "Ten visitors look into the empty cache. What do the other nine do while the first one asks?",
        "They wait for a lock, one for each city. When it is their turn, the answer may be there: they look again.",
        "`async with locks.setdefault(key, asyncio.Lock()):`, and in it `found = await cache.aget(key)` once more, "
        "and only then `ask` and `aset`",
    ),
    praise="Right: one asks, nine wait and look again, and a failure is nobody's answer but theirs who met it. "
    "A task for each city that all of them await would do too.",
)


def on_the_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def watched_cache(may_store: threading.Event | None = None) -> Iterator[dict[str, Any]]:
    """Note how often the cache is read, and what is called on an event loop; hold each write until the event."""
    seen: dict[str, Any] = {"reads": 0, "on the loop": []}

    def watched(name: str) -> Any:
        real = getattr(LocMemCache, name)

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            if on_the_loop():
                seen["on the loop"].append(name)
            elif name == "set" and may_store is not None:
                may_store.wait(2)
            result = real(self, *args, **kwargs)
            seen["reads"] += name == "get"
            return result

        return method

    methods = {name: watched(name) for name in ("get", "set", "add", "has_key", "delete", "touch", "incr")}
    with patch.multiple(LocMemCache, **methods):
        yield seen


async def empty_cache() -> Any:
    """Empty the cache, and give back the services with their counts at zero."""
    await cache.aclear()
    services = start_services()
    services.forget()
    return services


async def sent(trial: Trial, path: str) -> tuple[Reply, dict[str, str]]:
    """The reply to a request, with the words about a cache call that was not awaited."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", RuntimeWarning)
        reply = await trial.get(path)
    for warning in heard:
        if found := re.match(r"coroutine '\w+\.(a\w+)' was never awaited", str(warning.message)):
            because = f"`cache.{found[1]}` was called and not awaited: it never ran"
            return reply, {"because": because, "next": f"put `await` before `cache.{found[1]}(…)`"}
    return reply, {}


@forecast.requirement(
    "answers `GET /forecast/Lisbon/` with what the weather service says, and leaves the event loop free"
)
async def tells_the_weather(trial: Trial) -> None:
    await empty_cache()
    reply = await trial.leaves_the_loop_free("/forecast/Lisbon/")
    expected = await tutorial_project.services.client.ask("weather/Lisbon", wait=0)
    expect(reply, json=expected)


@forecast.requirement("asks the service once for two visitors of one city, one after another")
async def asks_once_for_two(trial: Trial) -> None:
    services = await empty_cache()
    for _ in range(2):
        reply, words = await sent(trial, "/forecast/Lisbon/")
        expect(reply, **words)
    asked = len(services.requests)
    reply.expect_that(asked == 1, "1 question to the service", got=f"{asked} questions", **words)


@forecast.requirement(
    "keeps the answer for each city in Django's cache, that for Lisbon under the key `forecast:Lisbon`, and asks again "
    "when it is gone from there"
)
async def keeps_it_in_the_cache(trial: Trial) -> None:
    services = await empty_cache()
    expect(first := await trial.get("/forecast/Lisbon/"))
    kept = await cache.aget("forecast:Lisbon")
    first.expect_that(
        kept == first.json, f"forecast:Lisbon in the cache: {first.json}", got=f"forecast:Lisbon: {kept}"
    )
    await cache.aclear()
    expect(again := await trial.get("/forecast/Lisbon/"))
    asked = len(services.requests)
    again.expect_that(
        asked == 2,
        "2 questions: the cache was emptied between them",
        got=f"{asked} question" + "s" * (asked != 1),
        because="the answer was remembered somewhere else as well" if asked == 1 else None,
    )
    expect(other := await trial.get("/forecast/Kyoto/"))
    one_for_all = other.json == again.json
    other.expect_that(
        other.json.get("city") == "Kyoto",
        "the weather in Kyoto",
        because="what is kept for Lisbon is given to every city" if one_for_all else None,
        next='a key for each city: `f"forecast:{city}"`' if one_for_all else None,
    )


@forecast.requirement("awaits the cache, and never calls it on the event loop")
async def awaits_the_cache(trial: Trial) -> None:
    await empty_cache()
    with watched_cache() as seen:
        for _ in range(2):
            expect(reply := await trial.get("/forecast/Lisbon/"))
    calls = seen["on the loop"]
    reply.expect_that(
        not calls,
        "every call of the cache in a thread",
        got=f"`{calls[0]}` on the event loop" if calls else None,
        because="a cache behind a network would hold up the whole site, and nothing warns of it",
        next=f"`await cache.a{calls[0]}(…)`" if calls else None,
    )


@forecast.requirement(
    "asks the service once for ten visitors of one city who come together, and answers all ten"
)
async def survives_a_stampede(trial: Trial) -> None:
    services = await empty_cache()
    may_store = threading.Event()
    with watched_cache(may_store) as seen:
        pending = asyncio.ensure_future(trial.together(*["/forecast/Lisbon/"] * 10))
        try:
            with suppress(TimeoutError):
                await services.arrived(1, timeout=1)
            await until_all_have_looked(seen)
        finally:
            may_store.set()
        together = await pending
    for reply in together.replies:
        expect(reply, json=together.replies[0].json if together.replies[0].error is None else {})
    asked = len(services.requests)
    because = step = None
    if asked > 1:
        because = "visitors looked while the first answer was on its way, found nothing, and asked as well"
        step = "a lock for each key, and a second look behind it"
    together.replies[0].expect_that(
        asked == 1, "1 question to the service", got=f"{asked} questions", because=because, next=step
    )


async def until_all_have_looked(seen: dict[str, Any]) -> None:
    """Let the ten reach the cache; those that wait for others before they look are given a few turns."""
    for _ in range(25):
        if seen["reads"] >= 10:
            return
        await asyncio.sleep(0.005)


@forecast.requirement("asks for two cities at the same time: Kyoto does not wait for Lisbon")
async def two_cities_at_once(trial: Trial) -> None:
    services = await empty_cache()
    with services.expect_together(2, ("/weather",), timeout=1) as barrier:
        together = await trial.together("/forecast/Lisbon/", "/forecast/Kyoto/")
    reply = together.replies[1]
    words = {
        "because": "one lock for all cities lets them ask one after another",
        "next": "a lock for each key: `locks.setdefault(key, asyncio.Lock())`",
    }
    reply.expect_that(
        barrier.met,
        "both questions at the service at the same time",
        got="one question after the other",
        **(words if reply.error is None else {}),
    )
    for city, reply in zip(("Lisbon", "Kyoto"), together.replies, strict=True):
        expect(reply)
        reply.expect_that(reply.json.get("city") == city, f"the weather in {city}")


@forecast.requirement(
    'answers 502 `{"error": "no forecast"}` to everybody who comes while the service fails, keeps nothing, and asks '
    "again for the next visitor"
)
async def survives_a_failing_service(trial: Trial) -> None:
    services = await empty_cache()
    with services.replaced("/weather", by="/failing?status=503"):
        together = await trial.together(*["/forecast/Lisbon/"] * 3)
    for reply in together.replies:
        uncaught = type(reply.error).__name__ == "ServiceError"
        expect(
            reply,
            502,
            json={"error": "no forecast"},
            because="nobody caught the service's error" if uncaught else None,
            next="`except ServiceError:`" if uncaught else None,
        )
    after = await trial.get("/forecast/Lisbon/")
    kept = after.status == 502
    expect(
        after,
        because="the service is back, and the failure was kept" if kept else None,
        next="`aset` only what the service said" if kept else None,
    )
