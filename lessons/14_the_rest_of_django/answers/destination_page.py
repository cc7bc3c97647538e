import time

from asgiref.sync import sync_to_async
from django.db.models import Prefetch
from django.http import Http404
from django.shortcuts import aget_object_or_404, get_object_or_404, render
from django.template.response import TemplateResponse
from django.utils.timezone import localdate

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Destination, Trip

PAGE = "trips/destination_detail.html"


@known_answer("destination_page", when="Where the view works with the rows itself before it shows them.")
async def rows_and_user_before_render(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    trips = destination.trips.filter(active=True).order_by("price").prefetch_related("themes")
    context = {"trips": [trip async for trip in trips], "user": await request.auser()}
    return render(request, PAGE, {"destination": destination, **context})


@known_answer("destination_page", when="Where the sync view is there already: one crossing for all of it.")
@sync_to_async
def render_in_a_thread(request, slug):
    destination = get_object_or_404(Destination, slug=slug)
    trips = destination.trips.filter(active=True).order_by("price").prefetch_related("themes")
    return render(request, PAGE, {"destination": destination, "trips": trips})


def lazy_trips(destination):
    return destination.trips.filter(active=True).order_by("price").prefetch_related("themes")


@known_answer(
    "destination_page", breaks="shows_the_trips", says="`render` fills the template in the event loop"
)
async def renders_lazy_rows(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    return render(request, PAGE, {"destination": destination, "trips": lazy_trips(destination)})


@known_answer("destination_page", breaks="shows_the_trips", says="a QuerySet only builds a query")
async def awaits_the_queryset(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    return render(request, PAGE, {"destination": destination, "trips": await lazy_trips(destination)})


@known_answer("destination_page", breaks="shows_the_trips", says="it is not `active`")
async def trips_off_sale_too(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    trips = destination.trips.order_by("price")
    return TemplateResponse(request, PAGE, {"destination": destination, "trips": trips})


@known_answer("destination_page", breaks="greets_ada", says="`render` fills the template in the event loop")
async def forgets_the_user_of_the_template(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    trips = [trip async for trip in lazy_trips(destination)]
    return render(request, PAGE, {"destination": destination, "trips": trips})


@known_answer("destination_page", breaks="greets_ada", says="the template's `user` comes from the request")
async def renders_without_the_request(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    trips = [trip async for trip in lazy_trips(destination)]
    return render(None, PAGE, {"destination": destination, "trips": trips})


@known_answer("destination_page", breaks="knows_no_atlantis", says="await aget_object_or_404(…)")
async def missing_row_not_caught(request, slug):
    destination = await Destination.objects.aget(slug=slug)
    return TemplateResponse(request, PAGE, {"destination": destination, "trips": lazy_trips(destination)})


@known_answer("destination_page", breaks="knows_no_atlantis", says="`afirst` gives None")
async def missing_row_not_noticed(request, slug):
    destination = await Destination.objects.filter(slug=slug).afirst()
    return TemplateResponse(request, PAGE, {"destination": destination, "trips": lazy_trips(destination)})


@known_answer("destination_page", breaks="sends_three_queries", says="`prefetch_related` for the themes")
async def asks_for_the_themes_of_each_trip(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    trips = destination.trips.filter(active=True).order_by("price")
    return TemplateResponse(request, PAGE, {"destination": destination, "trips": trips})


@known_answer("destination_page", breaks="shows_the_trips", says="expected the trips")
async def the_first_five_only(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    return TemplateResponse(request, PAGE, {"destination": destination, "trips": lazy_trips(destination)[:5]})


@known_answer("destination_page", breaks="shows_the_trips", says="expected the trips")
async def prices_sorted_as_text(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    trips = sorted([trip async for trip in lazy_trips(destination)], key=lambda trip: str(trip.price))
    return TemplateResponse(request, PAGE, {"destination": destination, "trips": trips})


@known_answer("destination_page", breaks="holds_nobody_up", says="`time.sleep` holds the event loop")
async def rests_before_it_renders(request, slug):
    time.sleep(0.01)
    return await rows_and_user_before_render(request, slug)


@known_answer("destination_page", breaks="shows_the_trips", says="expected the trips")
async def hides_what_is_sold_out(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    trips = lazy_trips(destination).filter(seats_left__gt=0)
    return TemplateResponse(request, PAGE, {"destination": destination, "trips": trips})


@known_answer("destination_page")
async def trips_fetched_with_their_destination(request, slug):
    on_sale = Trip.objects.filter(active=True).order_by("price").prefetch_related("themes")
    places = Destination.objects.prefetch_related(Prefetch("trips", queryset=on_sale, to_attr="on_sale"))
    if (destination := await places.filter(slug=slug).afirst()) is None:
        raise Http404
    context = {"destination": destination, "trips": destination.on_sale}
    response = TemplateResponse(request, PAGE, context)
    return await sync_to_async(response.render)()


@known_answer("destination_page", breaks="shows_the_trips", says="expected the trips")
async def prices_sorted_without_their_cents(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    rows = [trip async for trip in lazy_trips(destination).order_by("-price")]
    context = {"trips": sorted(rows, key=lambda trip: int(trip.price)), "user": await request.auser()}
    return render(request, PAGE, {"destination": destination, **context})


@known_answer("destination_page", breaks="shows_the_trips", says="expected the trips")
async def the_first_ten_only(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    return TemplateResponse(
        request, PAGE, {"destination": destination, "trips": lazy_trips(destination)[:10]}
    )


@known_answer("destination_page", breaks="sends_three_queries", says="got a page with 20 trips")
async def the_first_twenty_only(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    return TemplateResponse(
        request, PAGE, {"destination": destination, "trips": lazy_trips(destination)[:20]}
    )


@known_answer("destination_page", breaks="shows_the_trips", says="MultipleObjectsReturned")
async def capitals_do_not_matter(request, slug):
    destination = await aget_object_or_404(Destination, slug__iexact=slug)
    return TemplateResponse(request, PAGE, {"destination": destination, "trips": lazy_trips(destination)})


@known_answer("destination_page", breaks="knows_no_atlantis", says="expected 404")
async def the_next_slug_will_do(request, slug):
    destination = await Destination.objects.filter(slug__gte=slug).order_by("slug").afirst()
    if destination is None:
        raise Http404
    return TemplateResponse(request, PAGE, {"destination": destination, "trips": lazy_trips(destination)})


greeted = []


@known_answer("destination_page", breaks="greets_ada", says="got a page without that name")
async def greets_everybody_as_the_first(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    user = await request.auser()
    if user.is_authenticated and user.username not in greeted:
        greeted.append(user.username)
    context = {"destination": destination, "trips": lazy_trips(destination)}
    if user.is_authenticated:
        context["user"] = {"is_authenticated": True, "username": greeted[0], "get_username": greeted[0]}
    return TemplateResponse(request, PAGE, context)


@known_answer("destination_page", breaks="shows_the_trips", says="expected the trips")
async def hides_what_has_departed(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    trips = lazy_trips(destination).filter(departs__gte=localdate())
    return TemplateResponse(request, PAGE, {"destination": destination, "trips": trips})
