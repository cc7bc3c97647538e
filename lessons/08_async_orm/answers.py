import json

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Count, F, Sum
from django.http import JsonResponse
from django.shortcuts import aget_list_or_404, aget_object_or_404, get_object_or_404

from tutorial_project.classroom.checks import known_answer
from tutorial_project.trips.models import Booking, Destination, Trip


def as_row(trip):
    return {
        "id": trip.pk,
        "title": trip.title,
        "price": trip.price,
        "destination": trip.destination.name,
        "themes": [theme.name for theme in trip.themes.all()],
    }


@known_answer("trip_list")
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


@known_answer("trip_list")
async def list_or_404(request):
    trips = Trip.objects.order_by("price").select_related("destination").prefetch_related("themes")
    wanted = {"destination__slug": slug} if (slug := request.GET.get("destination")) else {}
    found = await aget_list_or_404(trips, active=True, **wanted)
    return JsonResponse({"trips": [as_row(trip) for trip in found]})


@known_answer("trip_list")
async def values_and_a_second_query(request):
    trips = Trip.objects.filter(active=True)
    if slug := request.GET.get("destination"):
        trips = trips.filter(destination__slug=slug)
    place = F("destination__name")
    rows = [row async for row in trips.order_by("price").values("id", "title", "price", place=place)]
    if not rows:
        return JsonResponse({"error": "no such destination"}, status=404)
    pairs = [pair async for pair in trips.order_by("themes__name").values_list("pk", "themes__name")]
    for row in rows:
        row["destination"] = row.pop("place")
        row["themes"] = [theme for pk, theme in pairs if pk == row["id"]]
    return JsonResponse({"trips": rows})


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


@known_answer("trip_list", breaks="keeps_one_destination", says="56 trips")
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


@known_answer("trip_list", breaks="sends_two_queries", says="a query is sent for each of the 56 rows")
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


async def named_traveller(request):
    return await User.objects.aget(username=json.loads(request.body)["traveller"])


async def answer(booking, trip, created):
    left = (await Trip.objects.aget(pk=trip.pk)).seats_left
    return JsonResponse({"booking": booking.pk, "seats_left": left}, status=201 if created else 200)


SOLD_OUT = {"error": "sold out"}


@known_answer("book")
async def one_transaction_in_a_sync_function(request, pk):
    username = json.loads(request.body)["traveller"]

    @transaction.atomic
    def booked():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        traveller = User.objects.get(username=username)
        if booking := Booking.objects.filter(trip=trip, traveller=traveller).first():
            return {"booking": booking.pk, "seats_left": trip.seats_left}, 200
        if trip.seats_left == 0:
            return SOLD_OUT, 409
        booking = Booking.objects.create(trip=trip, traveller=traveller)
        trip.seats_left -= 1
        trip.save(update_fields=["seats_left"])
        return {"booking": booking.pk, "seats_left": trip.seats_left}, 201

    content, status = await sync_to_async(booked)()
    return JsonResponse(content, status=status)


@known_answer("book")
async def seat_first_and_given_back(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    traveller = await named_traveller(request)
    if not await Trip.objects.filter(pk=pk, seats_left__gt=0).aupdate(seats_left=F("seats_left") - 1):
        return JsonResponse(SOLD_OUT, status=409)
    booking, created = await trip.bookings.aget_or_create(traveller=traveller, defaults={"seats": 1})
    if not created:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") + 1)
    return await answer(booking, trip, created)


@known_answer("book")
async def the_refusal_is_caught(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    traveller = await named_traveller(request)
    if trip.seats_left == 0:
        return JsonResponse(SOLD_OUT, status=409)
    try:
        booking, created = await Booking.objects.acreate(trip=trip, traveller=traveller), True
    except IntegrityError:
        booking, created = await Booking.objects.aget(trip=trip, traveller=traveller), False
    if created:
        trip.seats_left = F("seats_left") - 1
        await trip.asave(update_fields=["seats_left"])
    return await answer(booking, trip, created)


@known_answer("book", breaks="books_a_seat", says="something was called and not awaited")
async def nothing_awaited(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = Booking.objects.aget_or_create(trip=trip, traveller=await named_traveller(request))
    return await answer(booking, trip, created)


@known_answer("book", breaks="books_a_seat", says="got 14 seats left in the database")
async def forgets_to_await_the_update(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    ada = await User.objects.aget(username=json.loads(request.body)["traveller"])
    booking, created = await Booking.objects.aget_or_create(trip=trip, traveller=ada)
    if created:
        Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    await trip.arefresh_from_db()
    answer = {"booking": booking.pk, "seats_left": trip.seats_left}
    return JsonResponse(answer, status=201 if created else 200)


@known_answer("book", breaks="books_a_seat", says="something was called and not awaited")
async def forgets_to_await_the_traveller(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    ada = User.objects.aget(username=json.loads(request.body)["traveller"])
    booking = await Booking.objects.acreate(trip=trip, traveller=ada)
    return JsonResponse({"booking": booking.pk, "seats_left": trip.seats_left - 1}, status=201)


@known_answer("book", breaks="books_a_seat", says="'tuple' object has no attribute 'pk'")
async def pair_not_unpacked(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking = await Booking.objects.aget_or_create(trip=trip, traveller=await named_traveller(request))
    return await answer(booking, trip, True)


@known_answer("book", breaks="books_a_seat", says="used directly in the event loop")
async def sync_methods(request, pk):
    trip = Trip.objects.get(pk=pk)
    booking, created = Booking.objects.get_or_create(trip=trip, traveller=await named_traveller(request))
    return await answer(booking, trip, created)


@known_answer("book", breaks="books_a_seat", says="14 seats left in the database")
async def takes_no_seat(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    return await answer(booking, trip, created)


@known_answer("book", breaks="books_a_seat", says='"seats_left": 14')
async def tells_the_old_number(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, _ = await Booking.objects.aget_or_create(trip=trip, traveller=await named_traveller(request))
    await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return JsonResponse({"booking": booking.pk, "seats_left": trip.seats_left}, status=201)


@known_answer("book", breaks="books_once", says="look for the booking before making one")
async def always_makes_one(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking = await Booking.objects.acreate(trip=trip, traveller=await named_traveller(request))
    await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return await answer(booking, trip, True)


@known_answer("book", breaks="books_once", says='"seats_left": 12')
async def takes_a_seat_each_time(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return await answer(booking, trip, created)


@known_answer("book", breaks="survives_a_double_click", says="was not there when you looked")
async def looks_then_makes(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    found = Booking.objects.filter(trip=trip, traveller=await named_traveller(request))
    if await found.aexists():
        return await answer(await found.aget(), trip, False)
    booking = await Booking.objects.acreate(trip=trip, traveller=await named_traveller(request))
    await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return await answer(booking, trip, True)


@known_answer("book", breaks="loses_nobodys_seat", says="read earlier was written back")
async def subtracts_in_python(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    if created:
        trip.seats_left -= 1
        await trip.asave()
    return await answer(booking, trip, created)


@known_answer("book", breaks="refuses_a_sold_out_trip", says="`seats_left` would go below 0")
async def never_looks_at_the_seats(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    if created:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return await answer(booking, trip, created)


@known_answer("book", breaks="refuses_a_sold_out_trip", says="before the seats were looked at")
async def books_and_then_refuses(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    if trip.seats_left == 0:
        return JsonResponse(SOLD_OUT, status=409)
    if created:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return await answer(booking, trip, created)


@known_answer("book", breaks="knows_no_trip_7000", says="`aget` raises when there is no such row")
async def trip_not_found_not_caught(request, pk):
    trip = await Trip.objects.aget(pk=pk)
    if trip.seats_left == 0:
        return JsonResponse(SOLD_OUT, status=409)
    booking, created = await Booking.objects.aget_or_create(
        trip=trip, traveller=await named_traveller(request)
    )
    if created:
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
    return await answer(booking, trip, created)


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


@known_answer("report")
async def counted_in_python(request):
    rows = []
    async for place in Destination.objects.prefetch_related("trips__bookings__traveller"):
        trips = place.trips.all()
        rows.append(place_row(place, trips, [booking for trip in trips for booking in trip.bookings.all()]))
    sums = {key: sum(row[key] for row in rows) for key in ("on_sale", "seats_left")}
    return JsonResponse({**sums, "destinations": rows})


@known_answer("report")
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


@known_answer("report")
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
    places = Destination.objects.filter(trips__active=True).annotate(
        booked=Count("trips__bookings"),
        on_sale=Count("trips"),
        seats_left=Sum("trips__seats_left", default=0),
    )
    places = places.prefetch_related("trips__bookings__traveller")
    rows = [annotated_row(place, travellers_of) async for place in places]
    return JsonResponse({**await totals(), "destinations": rows})


@known_answer("report", breaks="counts_nothing_as_zero", says="the sum of no rows is NULL")
async def nothing_is_null(request):
    rows = []
    async for place in Destination.objects.prefetch_related("trips__bookings__traveller"):
        trips = [trip for trip in place.trips.all() if trip.active]
        sums = await Trip.objects.filter(destination=place, active=True).aaggregate(
            seats_left=Sum("seats_left")
        )
        rows.append({"name": place.name, "on_sale": len(trips), **sums, "travellers": travellers_of(place)})
    return JsonResponse({**await totals(), "destinations": rows})


@known_answer("report", breaks="counts_nothing_as_zero", says="11 names")
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


@known_answer("report", breaks="sends_four_queries", says="a query is sent for each of the 32 rows")
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
