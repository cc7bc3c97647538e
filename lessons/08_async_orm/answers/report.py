import time

from asgiref.sync import sync_to_async
from django.db.models import Count, Prefetch, Q, Sum
from django.http import JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Booking, Destination, Trip


async def totals():
    return await Trip.objects.filter(active=True).aaggregate(
        on_sale=Count("pk"), seats_left=Sum("seats_left", default=0)
    )


def place_row(place, trips, bookings):
    on_sale = [trip for trip in trips if trip.active]
    return {
        "name": place.name,
        "on_sale": len(on_sale),
        "seats_left": sum(trip.seats_left for trip in on_sale),
        "travellers": sorted({booking.traveller.username for booking in bookings}),
    }


@known_answer(
    "report", when="Where the tables are small, and the numbers are easier said in Python than in SQL."
)
async def counted_in_python(request):
    rows = []
    async for place in Destination.objects.prefetch_related("trips__bookings__traveller"):
        trips = place.trips.all()
        rows.append(place_row(place, trips, [booking for trip in trips for booking in trip.bookings.all()]))
    sums = {key: sum(row[key] for row in rows) for key in ("on_sale", "seats_left")}
    return JsonResponse({**sums, "destinations": rows})


@known_answer(
    "report", when="Where each number comes from a GROUP BY of its own, which the database does best."
)
async def grouped_with_values(request):
    on_sale = Trip.objects.filter(active=True).order_by().values("destination")
    numbers = {
        group.pop("destination"): group
        async for group in on_sale.annotate(on_sale=Count("pk"), seats_left=Sum("seats_left"))
    }
    pairs = Booking.objects.order_by().values_list("trip__destination", "traveller__username").distinct()
    booked = [pair async for pair in pairs]
    rows = [
        {"name": place.name, "travellers": sorted(who for pk, who in booked if pk == place.pk)}
        | numbers.get(place.pk, {"on_sale": 0, "seats_left": 0})
        async for place in Destination.objects.all()
    ]
    return JsonResponse({**await totals(), "destinations": rows})


@known_answer(
    "report", when="Where a sync report exists: move it behind one crossing, and change nothing else."
)
async def sync_report_behind_one_crossing(request):
    def rows():
        bookings = Booking.objects.select_related("traveller", "trip")
        trips, bookings = list(Trip.objects.all()), list(bookings)
        return [
            place_row(
                place,
                [trip for trip in trips if trip.destination_id == place.pk],
                [booking for booking in bookings if booking.trip.destination_id == place.pk],
            )
            for place in Destination.objects.all()
        ]

    return JsonResponse({**await totals(), "destinations": await sync_to_async(rows)()})


@known_answer("report", breaks="has_the_totals", says="used directly in the event loop")
async def trips_not_prefetched(request):
    rows = [place_row(place, place.trips.all(), []) async for place in Destination.objects.all()]
    return JsonResponse({**await totals(), "destinations": rows})


@known_answer("report", breaks="has_the_totals", says="something was called and not awaited")
async def totals_not_awaited(request):
    places = Destination.objects.prefetch_related("trips__bookings__traveller")
    rows = [place_row(place, place.trips.all(), []) async for place in places]
    return JsonResponse({**totals(), "destinations": rows})


@known_answer("report", breaks="has_the_totals", says='"on_sale": 60')
async def off_sale_counted_in(request):
    sums = await Trip.objects.aaggregate(on_sale=Count("pk"), seats_left=Sum("seats_left"))
    places = Destination.objects.prefetch_related("trips__bookings__traveller")
    rows = [place_row(place, place.trips.all(), []) async for place in places]
    return JsonResponse({**sums, "destinations": rows})


def annotated_row(place, travellers):
    row = {"name": place.name, "on_sale": place.on_sale, "seats_left": place.seats_left}
    return row | {"travellers": travellers(place)}


def travellers_of(place):
    bookings = [booking for trip in place.trips.all() for booking in trip.bookings.all()]
    return sorted({booking.traveller.username for booking in bookings})


@known_answer("report", breaks="has_the_numbers_of_each", says="counted once for every booking joined to it")
async def joined_to_bookings(request):
    active = Q(trips__active=True)
    places = Destination.objects.order_by("name").annotate(
        booked=Count("trips__bookings"),
        on_sale=Count("trips", filter=active),
        seats_left=Sum("trips__seats_left", filter=active, default=0),
    )
    places = places.prefetch_related("trips__bookings__traveller")
    rows = [annotated_row(place, travellers_of) async for place in places]
    return JsonResponse({**await totals(), "destinations": rows})


def sums_of_each():
    active = Q(trips__active=True)
    places = Destination.objects.annotate(
        on_sale=Count("trips", filter=active), seats_left=Sum("trips__seats_left", filter=active)
    )
    return places.prefetch_related("trips__bookings__traveller")


@known_answer("report", breaks="has_the_numbers_of_each", says="12 names, from number")
async def grouping_forgets_the_order(request):
    rows = [annotated_row(place, travellers_of) async for place in sums_of_each()]
    return JsonResponse({**await totals(), "destinations": rows})


@known_answer("report", breaks="counts_nothing_as_zero", says="the sum of no rows is NULL")
async def nothing_is_zero_where_it_was_seen(request):
    rows = [annotated_row(place, travellers_of) async for place in sums_of_each().order_by("name")]
    for row in rows:
        if row["name"] in ("Hanoi", "Québec City"):
            row["seats_left"] = 0
    return JsonResponse({**await totals(), "destinations": rows})


@known_answer("report", breaks="has_the_numbers_of_each", says="the sum of no rows is NULL")
async def nothing_is_null(request):
    rows = []
    async for place in Destination.objects.prefetch_related("trips__bookings__traveller"):
        trips = [trip for trip in place.trips.all() if trip.active]
        sums = await Trip.objects.filter(destination=place, active=True).aaggregate(
            seats_left=Sum("seats_left")
        )
        rows.append({"name": place.name, "on_sale": len(trips), **sums, "travellers": travellers_of(place)})
    return JsonResponse({**await totals(), "destinations": rows})


@known_answer("report", breaks="has_the_numbers_of_each", says="10 names")
async def inner_join_drops_the_empty_place(request):
    rows = []
    places = Destination.objects.filter(trips__active=True).distinct()
    async for place in places.prefetch_related("trips__bookings__traveller"):
        bookings = [booking for trip in place.trips.all() for booking in trip.bookings.all()]
        rows.append(place_row(place, place.trips.all(), bookings))
    return JsonResponse({**await totals(), "destinations": rows})


@known_answer("report", breaks="names_the_travellers", says='got {"name": "Athens", "travellers": []}')
async def travellers_of_trips_on_sale_only(request):
    rows = []
    async for place in Destination.objects.prefetch_related("trips__bookings__traveller"):
        trips = [trip for trip in place.trips.all() if trip.active]
        rows.append(place_row(place, trips, [booking for trip in trips for booking in trip.bookings.all()]))
    return JsonResponse({**await totals(), "destinations": rows})


@known_answer("report", breaks="names_the_travellers", says='"ada", "ada"')
async def a_name_for_every_booking(request):
    rows = []
    async for place in Destination.objects.prefetch_related("trips__bookings__traveller"):
        bookings = [booking for trip in place.trips.all() for booking in trip.bookings.all()]
        row = place_row(place, place.trips.all(), bookings)
        rows.append(row | {"travellers": sorted(booking.traveller.username for booking in bookings)})
    return JsonResponse({**await totals(), "destinations": rows})


@known_answer("report", breaks="sends_four_queries", says="a query is sent for each of the 232 rows")
async def three_queries_for_each_place(request):
    rows = []
    async for place in Destination.objects.all():
        on_sale = place.trips.filter(active=True)
        sums = await on_sale.aaggregate(seats_left=Sum("seats_left", default=0))
        booked = Booking.objects.filter(trip__destination=place).order_by("traveller__username")
        names = [name async for name in booked.values_list("traveller__username", flat=True).distinct()]
        rows.append({"name": place.name, "on_sale": await on_sale.acount(), **sums, "travellers": names})
    return JsonResponse({**await totals(), "destinations": rows})


@known_answer("report", breaks="sends_four_queries", says="5 queries")
async def travellers_in_a_query_of_their_own(request):
    rows = []
    async for place in Destination.objects.prefetch_related("trips__bookings__traveller"):
        bookings = [booking for trip in place.trips.all() for booking in trip.bookings.all()]
        rows.append(place_row(place, place.trips.all(), bookings))
    return JsonResponse({**await totals(), "destinations": rows})


@known_answer("report", breaks="leaves_the_loop_free", says="`time.sleep` holds the event loop")
async def rests_after_the_totals(request):
    sums = await totals()
    time.sleep(0.01)
    places = Destination.objects.order_by("name").prefetch_related("trips")
    booked = [b async for b in Booking.objects.select_related("traveller", "trip")]
    rows = [
        place_row(place, place.trips.all(), [b for b in booked if b.trip.destination_id == place.pk])
        async for place in places
    ]
    return JsonResponse({**sums, "destinations": rows})


@known_answer("report", breaks="has_the_totals", says="the sum of no rows is NULL")
async def no_number_when_nothing_is_on_sale(request):
    rows = []
    async for place in Destination.objects.prefetch_related("trips__bookings__traveller"):
        trips = place.trips.all()
        rows.append(place_row(place, trips, [booking for trip in trips for booking in trip.bookings.all()]))
    left = await Trip.objects.filter(active=True).aaggregate(seats_left=Sum("seats_left"))
    return JsonResponse({"on_sale": sum(row["on_sale"] for row in rows), **left, "destinations": rows})


@known_answer("report", breaks="sends_four_queries", says="expected 4 queries at most")
async def bookings_of_each_portion(request):
    rows = []
    places = Destination.objects.prefetch_related("trips", "trips__bookings__traveller")
    async for place in places.aiterator(chunk_size=100):
        trips = place.trips.all()
        rows.append(place_row(place, trips, [booking for trip in trips for booking in trip.bookings.all()]))
    return JsonResponse({**await totals(), "destinations": rows})


@known_answer("report", breaks="names_the_travellers", says="travellers")
async def travellers_who_may_log_in(request):
    rows = []
    bookings = Booking.objects.filter(traveller__is_active=True).select_related("traveller")
    async for place in Destination.objects.prefetch_related("trips", Prefetch("trips__bookings", bookings)):
        trips = place.trips.all()
        rows.append(place_row(place, trips, [booking for trip in trips for booking in trip.bookings.all()]))
    return JsonResponse({**await totals(), "destinations": rows})


SAME_QUESTION = "every request asks the same question, and shares no answer"
EQUAL_MUTANTS = {
    "local as global: nothing → global bookings": SAME_QUESTION,
    "local as global: nothing → global destinations": SAME_QUESTION,
    "local as global: nothing → global on_sale": SAME_QUESTION,
    "order of two: totals = … → rows = …": "which of them is asked for first is left open",
}
