from tutorial_project.checks import Task, Trial
from tutorial_project.classroom import queries
from tutorial_project.trips.models import Trip

from ..shared import expect_404, expect_few_queries, expect_rows, listed

trip_list = Task(
    "trip_list",
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
    reply = await trial.get("/trips/")
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
    reply.expect_that(
        ids == [trip.pk for trip in expected],
        f"{len(expected)} trips, with these ids: {', '.join(str(trip.pk) for trip in expected[:6])}, …",
        got=f"{len(ids)} trips: {', '.join(map(str, ids[:6]))}, …",
    )
    shown = [{"id": trip.pk, "title": trip.title, "price": str(trip.price)} for trip in expected]
    expect_rows(reply, rows, shown)


@trip_list.requirement(
    'says of each trip its `"destination"` (the name) and its `"themes"` (the names, in alphabetical order)'
)
async def names_destination_and_themes(trial: Trial) -> None:
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
    reply = await trial.get("/trips/?destination=kyoto")
    ids = [row.get("id") for row in listed(reply, "trips")]
    to_kyoto = Trip.objects.filter(active=True, destination__slug="kyoto").order_by("price")
    expected = [pk async for pk in to_kyoto.values_list("pk", flat=True)]
    reply.expect_that(
        ids == expected, f"the trips {expected}", got=f"{len(ids)} trips: {', '.join(map(str, ids[:6]))}"
    )


@trip_list.requirement("answers 404 for `GET /trips/?destination=atlantis`, a slug that no destination has")
async def knows_no_atlantis(trial: Trial) -> None:
    expect_404(await trial.get("/trips/?destination=atlantis"))


@trip_list.requirement("sends two queries at most for the whole list, and three at most with `?destination=`")
async def sends_two_queries(trial: Trial) -> None:
    for path, most in (("/trips/", 2), ("/trips/?destination=kyoto", 3)):
        with queries() as sent:
            reply = await trial.get(path)
        rows = len(listed(reply, "trips"))
        expect_few_queries(
            reply, sent, most, rows, "select_related for the destination, prefetch_related for themes"
        )
