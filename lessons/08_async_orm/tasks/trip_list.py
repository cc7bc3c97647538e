import random
from datetime import date
from decimal import Decimal

from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up, mixed
from tutorial_project.classroom import queries
from tutorial_project.trips.models import Destination, Theme, Trip
from tutorial_project.words import counted

from ..shared import (
    DEPARTED,
    FREE,
    expect_404,
    expect_few_queries,
    expect_rows,
    listed,
    made_up_destination,
    made_up_trip,
)

trip_list = Task(
    "trip_list",
    beside="keeps_one_destination",
    routes=["trips/"],
    hints=(
        "Which of your calls only prepare the question, and where is it sent?",
        "`select_related` fetches a destination with its trip, `prefetch_related` the themes of all trips "
        "with a second query. Then neither attribute asks again.",
        "`[{…} async for trip in trips.select_related(…).prefetch_related(…)]`, and before that, where a "
        "slug is asked for, `await aget_object_or_404(Destination, slug=…)`",
    ),
    praise="Right: all relations were there before a row was touched. `values()` and a second query for the themes "
    "would do too, and so would a sync function behind one `sync_to_async`.",
)


@trip_list.requirement(
    "answers `GET /trips/` with all trips that are `active` and no others, the cheapest first: "
    '`{"trips": [{"id": 4, "title": "Fado, sardines and custard tarts", "price": "455.00", …}, …]}`'
)
async def lists_what_is_on_sale(trial: Trial) -> None:
    await expect_what_is_on_sale(await trial.get("/trips/"))
    place = await made_up_destination()
    await three_trips_on_sale(place)
    await expect_what_is_on_sale(await trial.get("/trips/"))
    await many_trips_on_sale(place)
    await expect_what_is_on_sale(await trial.get("/trips/"))


async def many_trips_on_sale(place: Destination, how_many: int = 150) -> None:
    """More trips than any page of a list would hold, none for the price of another: their order would be open."""
    taken = {int(price * 100) async for price in Trip.objects.values_list("price", flat=True)}
    prices = random.sample([cents for cents in range(10_000, 99_000) if cents not in taken], how_many)
    shared = {"destination": place, "departs": date(2027, 6, 1), "nights": 2, "seats": 20, "seats_left": 5}
    await Trip.objects.abulk_create(
        Trip(title=made_up("trip"), price=Decimal(cents) / 100, **shared) for cents in prices
    )


async def three_trips_on_sale(place: Destination) -> None:
    """Trips whose prices have different numbers of digits, in any order, and a cheaper one that is off sale."""
    whole = mixed([random.randint(20, 99), random.randint(200, 900), random.randint(2000, 9000)])
    for euros in whole:
        price = Decimal(f"{euros}.{random.randint(11, 99)}")
        await made_up_trip(place, price=price, departs=DEPARTED)
    await made_up_trip(place, price=Decimal("19.50"), active=False)


async def expect_what_is_on_sale(reply: Reply) -> None:
    rows = listed(reply, "trips")
    ids = [row.get("id") for row in rows]
    expected = [trip async for trip in Trip.objects.filter(active=True).order_by("price")]
    off_sale = {pk async for pk in Trip.objects.filter(active=False).values_list("pk", flat=True)}
    strangers = [pk for pk in ids if pk in off_sale]
    reply.expect_that(
        not strangers,
        "no trip that is off sale",
        got=f"trip {strangers[0]} among them" if strangers else None,
        because="it is not `active`",
    )
    expect_ids(reply, ids, [trip.pk for trip in expected])
    shown = [{"id": trip.pk, "title": trip.title, "price": str(trip.price)} for trip in expected]
    expect_rows(reply, rows, shown)


def expect_ids(reply: Reply, ids: list[int], expected: list[int]) -> None:
    """Refuse at the first id that is not in its place."""
    places = (n for n, (told, wanted) in enumerate(zip(ids, expected, strict=False)) if told != wanted)
    first = max(next(places, min(len(ids), len(expected))) - 2, 0)
    shown, wanted = (", ".join(map(str, each[first : first + 6])) for each in (ids, expected))
    start = f"from the {first + 1}th on" if first else "with these ids"
    reply.expect_that(
        ids == expected,
        f"{counted(len(expected), 'trip')}, {start}: {wanted}, …",
        got=f"{counted(len(ids), 'trip')}, {start}: {shown}, …",
    )


@trip_list.requirement(
    'says of each trip its `"destination"` (the name) and its `"themes"` (the names, in alphabetical order)'
)
async def names_destination_and_themes(trial: Trial) -> None:
    trip = await made_up_trip(price=Decimal("301.07"))
    for name in (made_up("zoo"), made_up("beach"), made_up("museum")):
        await trip.themes.aadd(await Theme.objects.acreate(name=name))
    await made_up_trip(price=Decimal("300.03"))  # without a theme
    reply = await trial.get("/trips/")
    rows = listed(reply, "trips")
    trips = Trip.objects.filter(active=True).order_by("price")
    expected = [
        {
            "id": trip.pk,
            "destination": trip.destination.name,
            "themes": sorted(theme.name for theme in trip.themes.all()),
        }
        async for trip in trips.select_related("destination").prefetch_related("themes")
    ]
    expect_rows(reply, rows, expected)


@trip_list.requirement("keeps the trips to one destination, by its slug, for `GET /trips/?destination=kyoto`")
async def keeps_one_destination(trial: Trial) -> None:
    place = await made_up_destination()
    neighbour = await made_up_destination(f"{place.slug}-north")
    for each in (place, neighbour):
        await three_trips_on_sale(each)
    for slug in ("kyoto", place.slug, neighbour.slug):
        reply = await trial.get(f"/trips/?destination={slug}")
        ids = [row.get("id") for row in listed(reply, "trips")]
        there = Trip.objects.filter(active=True, destination__slug=slug).order_by("price")
        expect_ids(reply, ids, [pk async for pk in there.values_list("pk", flat=True)])
    await _expect_the_name_of_now(trial)


async def _expect_the_name_of_now(trial: Trial) -> None:
    """Refuse what was kept of a destination when it was asked for before."""
    place = await made_up_destination()
    trip = await made_up_trip(place)
    for name in (place.name, made_up("reef").title()):
        await Destination.objects.filter(pk=place.pk).aupdate(name=name)
        reply = await trial.get(f"/trips/?destination={place.slug}")
        reply.sent += f"  while the destination is named {name}"
        expect_rows(reply, listed(reply, "trips"), [{"id": trip.pk, "destination": name}])


@trip_list.requirement(
    'answers 200 `{"trips": []}` for a destination that has nothing on sale, as in `GET /trips/?destination=hanoi`'
)
async def lists_nothing_where_nothing_is_on_sale(trial: Trial) -> None:
    for slug in ("hanoi", (await made_up_destination()).slug):
        reply = await trial.get(f"/trips/?destination={slug}")
        missed = reply.status == 404
        reply.expect(
            200,
            json={"trips": []},
            because="there is such a destination, and no trip to it is on sale" if missed else None,
            next="ask for the destination, not for its trips, to tell whether it exists" if missed else None,
        )


@trip_list.requirement("answers 404 for `GET /trips/?destination=atlantis`, a slug that no destination has")
async def knows_no_atlantis(trial: Trial) -> None:
    for slug in ("atlantis", made_up("atlantis"), "Kyoto"):  # a name is no slug
        expect_404(await trial.get(f"/trips/?destination={slug}"))
    gone = await made_up_destination()
    (await trial.get(f"/trips/?destination={gone.slug}")).expect(200)
    await gone.adelete()
    reply = await trial.get(f"/trips/?destination={gone.slug}")
    reply.sent += "  after that destination was deleted"
    expect_404(reply)


@trip_list.requirement("sends two queries at most for the whole list, and three at most with `?destination=`")
async def sends_two_queries(trial: Trial) -> None:
    place = await made_up_destination()
    await many_trips_on_sale(place, 450)  # more than a portion of `aiterator` would hold
    for path, most in (("/trips/", 2), (f"/trips/?destination={place.slug}", 3)):
        with queries() as sent:
            reply = await trial.get(path)
        rows = len(listed(reply, "trips"))
        expect_few_queries(
            reply, sent, most, rows, "select_related for the destination, prefetch_related for themes"
        )


@trip_list.requirement(FREE)
async def leaves_the_loop_free(trial: Trial) -> None:
    await trial.never_holds_the_loop("/trips/")
