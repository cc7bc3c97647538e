import time
from datetime import date

from asgiref.sync import sync_to_async
from django.db.models import F, Q
from django.http import Http404, JsonResponse
from django.shortcuts import aget_list_or_404, aget_object_or_404, get_object_or_404

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Destination, Trip


def as_row(trip):
    return {
        "id": trip.pk,
        "title": trip.title,
        "price": trip.price,
        "destination": trip.destination.name,
        "themes": [theme.name for theme in trip.themes.all()],
    }


@known_answer("trip_list", when="Where sync code for the rows exists already: one crossing for all of it.")
async def sync_function_behind_one_crossing(request):
    def rows():
        trips = Trip.objects.filter(active=True).order_by("price")
        if slug := request.GET.get("destination"):
            trips = trips.filter(destination=get_object_or_404(Destination, slug=slug))
        return [as_row(trip) for trip in trips.select_related("destination").prefetch_related("themes")]

    return JsonResponse({"trips": await sync_to_async(rows)()})


@known_answer("trip_list", breaks="keeps_one_destination", says="something was called and not awaited")
async def forgets_to_await_the_destination(request):
    trips = Trip.objects.filter(active=True).order_by("price")
    if slug := request.GET.get("destination"):
        trips = trips.filter(destination=aget_object_or_404(Destination, slug=slug))
    trips = trips.select_related("destination").prefetch_related("themes")
    return JsonResponse({"trips": [as_row(trip) async for trip in trips]})


@known_answer(
    "trip_list",
    breaks="lists_nothing_where_nothing_is_on_sale",
    says="there is such a destination, and no trip",
)
async def list_or_404(request):
    trips = Trip.objects.order_by("price").select_related("destination").prefetch_related("themes")
    wanted = {"destination__slug": slug} if (slug := request.GET.get("destination")) else {}
    found = await aget_list_or_404(trips, active=True, **wanted)
    return JsonResponse({"trips": [as_row(trip) for trip in found]})


@known_answer("trip_list", when="Where only some columns are wanted, and no model instances.")
async def values_and_a_second_query(request):
    trips = Trip.objects.filter(active=True)
    if slug := request.GET.get("destination"):
        trips = trips.filter(destination__slug=slug)
    place = F("destination__name")
    rows = [row async for row in trips.order_by("price").values("id", "title", "price", place=place)]
    if slug and not rows and not await Destination.objects.filter(slug=slug).aexists():
        return JsonResponse({"error": "no such destination"}, status=404)
    with_theme = trips.filter(themes__isnull=False).order_by("themes__name")
    pairs = [pair async for pair in with_theme.values_list("pk", "themes__name")]
    for row in rows:
        row["destination"] = row.pop("place")
        row["themes"] = [theme for pk, theme in pairs if pk == row["id"]]
    return JsonResponse({"trips": rows})


@known_answer("trip_list", when="Where the page begins at one row, and its relations are what is listed.")
async def from_the_destination(request):
    trips = Trip.objects.all()
    if slug := request.GET.get("destination"):
        trips = (await aget_object_or_404(Destination, slug=slug)).trips.all()
    trips = trips.filter(active=True).select_related("destination").prefetch_related("themes")
    rows = [as_row(trip) async for trip in trips]
    return JsonResponse({"trips": sorted(rows, key=lambda row: row["price"])})


@known_answer("trip_list", breaks="lists_what_is_on_sale", says="got 56 trips")
async def cheapest_by_its_digits(request):
    trips = Trip.objects.filter(active=True).select_related("destination").prefetch_related("themes")
    rows = [as_row(trip) async for trip in trips]
    return JsonResponse({"trips": sorted(rows, key=lambda row: str(row["price"]))})


@known_answer("trip_list", breaks="lists_what_is_on_sale", says="got 56 trips")
async def read_once_for_all(request):
    if not kept:
        trips = Trip.objects.filter(active=True).order_by("price")
        trips = trips.select_related("destination").prefetch_related("themes")
        kept.extend([as_row(trip) async for trip in trips])
    return JsonResponse({"trips": kept})


kept = []


@known_answer("trip_list", breaks="lists_what_is_on_sale", says="used directly in the event loop")
async def sync_loop(request):
    return JsonResponse(
        {"trips": [as_row(trip) for trip in Trip.objects.filter(active=True).order_by("price")]}
    )


@known_answer("trip_list", breaks="lists_what_is_on_sale", says="used directly in the event loop")
async def lazy_relations(request):
    trips = Trip.objects.filter(active=True).order_by("price")
    return JsonResponse({"trips": [as_row(trip) async for trip in trips]})


@known_answer("trip_list", breaks="lists_what_is_on_sale", says="building a query is never async")
async def invented_method(request):
    trips = await Trip.objects.afilter(active=True)
    return JsonResponse({"trips": [as_row(trip) for trip in trips]})


@known_answer("trip_list", breaks="lists_what_is_on_sale", says="a QuerySet only builds a query")
async def awaits_the_queryset(request):
    trips = await Trip.objects.filter(active=True).select_related("destination").prefetch_related("themes")
    return JsonResponse({"trips": [as_row(trip) for trip in trips]})


@known_answer("trip_list", breaks="lists_what_is_on_sale", says="it is not `active`")
async def off_sale_too(request):
    trips = Trip.objects.order_by("price").select_related("destination").prefetch_related("themes")
    return JsonResponse({"trips": [as_row(trip) async for trip in trips]})


@known_answer("trip_list", breaks="names_destination_and_themes", says='"destination": 1')
async def key_for_name(request):
    trips = Trip.objects.filter(active=True).order_by("price").prefetch_related("themes")
    rows = [
        {
            "id": trip.pk,
            "title": trip.title,
            "price": trip.price,
            "destination": trip.destination_id,
            "themes": [theme.name for theme in trip.themes.all()],
        }
        async for trip in trips
    ]
    return JsonResponse({"trips": rows})


@known_answer("trip_list", breaks="keeps_one_destination", says=" trips, ")
async def every_destination_always(request):
    trips = Trip.objects.filter(active=True).select_related("destination").prefetch_related("themes")
    return JsonResponse({"trips": [as_row(trip) async for trip in trips.order_by("price")]})


@known_answer("trip_list", breaks="knows_no_atlantis", says="`aget` raises when there is no such row")
async def missing_row_not_caught(request):
    trips = Trip.objects.filter(active=True).select_related("destination").prefetch_related("themes")
    if slug := request.GET.get("destination"):
        trips = trips.filter(destination=await Destination.objects.aget(slug=slug))
    return JsonResponse({"trips": [as_row(trip) async for trip in trips.order_by("price")]})


@known_answer("trip_list", breaks="knows_no_atlantis", says='200 {"trips": []}')
async def unknown_place_is_an_empty_list(request):
    trips = Trip.objects.filter(active=True).select_related("destination").prefetch_related("themes")
    if slug := request.GET.get("destination"):
        trips = trips.filter(destination__slug=slug)
    return JsonResponse({"trips": [as_row(trip) async for trip in trips.order_by("price")]})


@known_answer("trip_list", breaks="sends_two_queries", says="a query is sent for each of the 506 rows")
async def one_query_for_each_trip(request):
    trips = Trip.objects.filter(active=True).order_by("price")
    if slug := request.GET.get("destination"):
        trips = trips.filter(destination=await aget_object_or_404(Destination, slug=slug))
    rows = []
    async for trip in trips:
        trip.destination = await Destination.objects.aget(pk=trip.destination_id)
        themes = [theme.name async for theme in trip.themes.all()]
        row = {"id": trip.pk, "title": trip.title, "price": trip.price}
        rows.append(row | {"destination": trip.destination.name, "themes": themes})
    return JsonResponse({"trips": rows})


@known_answer("trip_list", breaks="leaves_the_loop_free", says="`time.sleep` holds the event loop")
async def rests_before_it_lists(request):
    time.sleep(0.01)
    return await from_the_destination(request)


@known_answer("trip_list", breaks="keeps_one_destination", says="6 trips, with these ids")
async def everything_in_the_same_country(request):
    trips = Trip.objects.filter(active=True).select_related("destination").prefetch_related("themes")
    if slug := request.GET.get("destination"):
        place = await aget_object_or_404(Destination, slug=slug)
        trips = trips.filter(destination__country=place.country)
    rows = [
        {
            "id": trip.pk,
            "title": trip.title,
            "price": trip.price,
            "destination": trip.destination.name,
            "themes": [theme.name for theme in trip.themes.all()],
        }
        async for trip in trips.order_by("price")
    ]
    return JsonResponse({"trips": rows})


async def list_of(request, trips, place):
    if slug := request.GET.get("destination"):
        if not await Destination.objects.filter(place(slug)).aexists():
            raise Http404
        trips = trips.filter(destination__in=Destination.objects.filter(place(slug)))
    trips = trips.order_by("price").select_related("destination").prefetch_related("themes")
    return JsonResponse({"trips": [as_row(trip) async for trip in trips[:10000]]})


@known_answer("trip_list", breaks="keeps_one_destination", says=" trips, ")
async def whatever_begins_with_the_slug(request):
    def place(slug):
        return Q(slug__startswith=slug)

    return await list_of(request, Trip.objects.filter(active=True), place)


@known_answer("trip_list", breaks="knows_no_atlantis", says="destination=Kyoto")
async def capitals_or_not(request):
    def place(slug):
        return Q(slug__iexact=slug)

    return await list_of(request, Trip.objects.filter(active=True), place)


@known_answer("trip_list", breaks="lists_what_is_on_sale", says="got 200 trips")
async def two_hundred_at_most(request):
    trips = Trip.objects.filter(active=True).order_by("price")
    if slug := request.GET.get("destination"):
        trips = trips.filter(destination=await aget_object_or_404(Destination, slug=slug))
    trips = trips.select_related("destination").prefetch_related("themes")
    return JsonResponse({"trips": [as_row(trip) async for trip in trips[:200]]})


@known_answer("trip_list", breaks="names_destination_and_themes", says='"themes": [null]')
async def joins_the_themes(request):
    trips = Trip.objects.filter(active=True)
    if slug := request.GET.get("destination"):
        trips = trips.filter(destination=await aget_object_or_404(Destination, slug=slug))
    rows = {}
    fields = ("id", "title", "price", "destination__name", "themes__name")
    async for pk, title, price, place, theme in trips.order_by("price", "themes__name").values_list(*fields):
        row = {"id": pk, "title": title, "price": price, "destination": place, "themes": []}
        rows.setdefault(pk, row)["themes"].append(theme)
    return JsonResponse({"trips": list(rows.values())})


destinations_asked_for = {}


@known_answer("trip_list", breaks="keeps_one_destination", says="while the destination is named")
async def remembers_the_destinations(request):
    trips, place = Trip.objects.filter(active=True).order_by("price"), None
    if slug := request.GET.get("destination"):
        if slug not in destinations_asked_for:
            destinations_asked_for[slug] = await aget_object_or_404(Destination, slug=slug)
        place = destinations_asked_for[slug]
        trips = trips.filter(destination=place)
    rows = [as_row(t) async for t in trips.select_related("destination").prefetch_related("themes")]
    for row in rows if place else []:
        row["destination"] = place.name
    return JsonResponse({"trips": rows})


known_slugs = set()


@known_answer("trip_list", breaks="knows_no_atlantis", says="after that destination was deleted")
async def remembers_which_slugs_there_are(request):
    trips = Trip.objects.filter(active=True).order_by("price")
    if slug := request.GET.get("destination"):
        if slug not in known_slugs:
            await aget_object_or_404(Destination, slug=slug)
            known_slugs.add(slug)
        trips = trips.filter(destination__slug=slug)
    trips = trips.select_related("destination").prefetch_related("themes")
    return JsonResponse({"trips": [as_row(trip) async for trip in trips]})


@known_answer("trip_list", breaks="sends_two_queries", says="expected 2 queries at most")
async def themes_of_each_portion(request):
    trips = Trip.objects.filter(active=True).order_by("price")
    if slug := request.GET.get("destination"):
        trips = trips.filter(destination=await aget_object_or_404(Destination, slug=slug))
    trips = trips.select_related("destination").prefetch_related("themes")
    return JsonResponse({"trips": [as_row(trip) async for trip in trips.aiterator(chunk_size=200)]})


@known_answer("trip_list", breaks="lists_what_is_on_sale", says="got 56 trips")
async def only_trips_to_come(request):
    trips = Trip.objects.filter(active=True, departs__gte=date.today()).order_by("price")
    if slug := request.GET.get("destination"):
        trips = trips.filter(destination=await aget_object_or_404(Destination, slug=slug))
    trips = trips.select_related("destination").prefetch_related("themes")
    return JsonResponse({"trips": [as_row(trip) async for trip in trips]})


EQUAL_MUTANTS = {
    "local as global: nothing → global trips": "nobody else has a turn between the last assignment and the query",
}
