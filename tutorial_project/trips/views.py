"""The pages of the travel agency: async views, one request each.

Rows are fetched before the template sees them: a template is rendered without `await`.
"""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Avg, Count, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import aget_object_or_404
from django.template.response import TemplateResponse

from tutorial_project.trips.models import Booking, Destination, Trip


async def destination_list(request: HttpRequest) -> HttpResponse:
    """Answer with all destinations by name, and how many trips to each are on sale."""
    on_sale = Count("trips", filter=Q(trips__active=True))
    # Trap: a query that groups forgets the model's own ordering.
    places = Destination.objects.annotate(on_sale=on_sale).order_by("name")
    destinations = [place async for place in places]
    return TemplateResponse(request, "trips/destination_list.html", {"destinations": destinations})


async def destination_detail(request: HttpRequest, slug: str) -> HttpResponse:
    """Answer with one destination and its trips on sale, or with 404."""
    destination = await aget_object_or_404(Destination, slug=slug)
    on_sale = destination.trips.filter(active=True).prefetch_related("themes")
    context = {"destination": destination, "trips": [trip async for trip in on_sale]}
    return TemplateResponse(request, "trips/destination_detail.html", context)


async def trip_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Answer with one trip, its seats left and its reviews, or with 404."""
    trips = Trip.objects.select_related("destination").prefetch_related("themes")
    trip = await aget_object_or_404(trips, pk=pk)
    context = {
        "trip": trip,
        "reviews": [review async for review in trip.reviews.select_related("author")],
        **await trip.reviews.aaggregate(average=Avg("rating")),
    }
    return TemplateResponse(request, "trips/trip_detail.html", context)


@login_required
async def booking_list(request: HttpRequest) -> HttpResponse:
    """Answer with the traveller's own bookings; who is not logged in is sent to the login page."""
    traveller = await request.auser()
    bookings = Booking.objects.filter(traveller=traveller).select_related("trip__destination")
    context = {"bookings": [booking async for booking in bookings]}
    return TemplateResponse(request, "trips/booking_list.html", context)


async def trip_api(request: HttpRequest) -> JsonResponse:
    """Answer with all trips on sale as JSON; prices are strings, so that no cent is lost."""
    on_sale = Trip.objects.filter(active=True).select_related("destination")
    return JsonResponse({"trips": [trip_as_json(trip) async for trip in on_sale]})


def trip_as_json(trip: Trip) -> dict[str, Any]:
    """Return what the API says about `trip`, whose destination was selected with it."""
    return {
        "id": trip.pk,
        "title": trip.title,
        "destination": trip.destination.name,
        "departs": trip.departs,
        "nights": trip.nights,
        "price": trip.price,
        "seats_left": trip.seats_left,
    }
