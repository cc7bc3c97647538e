import asyncio
import json
from weakref import WeakValueDictionary

from asgiref.sync import sync_to_async
from django import forms
from django.core.cache import cache
from django.http import HttpResponse, JsonResponse
from django.shortcuts import aget_object_or_404, get_object_or_404, render
from django.template.response import TemplateResponse
from django.views.decorators.cache import cache_page

from tutorial_project.classroom.checks import known_answer
from tutorial_project.services.client import ServiceError, ask, ask_blocking
from tutorial_project.trips.models import Destination, Trip

PAGE = "trips/destination_detail.html"


@known_answer("destination_page")
async def rows_and_user_before_render(request, slug):
    destination = await aget_object_or_404(Destination, slug=slug)
    trips = destination.trips.filter(active=True).order_by("price").prefetch_related("themes")
    context = {"trips": [trip async for trip in trips], "user": await request.auser()}
    return render(request, PAGE, {"destination": destination, **context})


@known_answer("destination_page")
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


class TripForm(forms.ModelForm):
    class Meta:
        model = Trip
        fields = ["destination", "title", "departs", "nights", "price", "seats", "themes"]

    def clean_title(self):
        title = self.cleaned_data["title"]
        if Trip.objects.filter(title=title).exists():
            raise forms.ValidationError("There is a trip with this title.")
        return title


@known_answer("new_trip")
async def all_of_the_form_in_one_function(request):
    def work():
        if request.method == "GET":
            return HttpResponse(str(TripForm()))
        form = TripForm(request.POST)
        if not form.is_valid():
            return JsonResponse({"errors": form.errors}, status=400)
        form.instance.seats_left = form.cleaned_data["seats"]
        return JsonResponse({"trip": form.save().pk}, status=201)

    return await sync_to_async(work)()


@known_answer("new_trip")
async def saves_in_a_thread_and_gives_codes(request):
    form = TripForm(request.POST or None)
    if await sync_to_async(form.is_valid)():
        form.instance.seats_left = form.instance.seats
        trip = await sync_to_async(form.save)()
        return JsonResponse({"trip": trip.pk}, status=201)
    if form.is_bound:
        return JsonResponse({"errors": form.errors.get_json_data()}, status=400)
    return HttpResponse(await sync_to_async(form.as_div)())


@known_answer("new_trip")
async def sets_the_themes_by_itself(request):
    if request.method == "GET":
        return HttpResponse(await sync_to_async(TripForm().as_table)())
    form = TripForm(request.POST)
    if await sync_to_async(lambda: bool(form.errors))():
        return JsonResponse({"errors": form.errors}, status=400)
    data = form.cleaned_data
    themes = data.pop("themes")
    trip = await Trip.objects.acreate(**data, seats_left=data["seats"])
    await sync_to_async(trip.themes.set)(themes)
    return JsonResponse({"trip": trip.pk}, status=201)


async def page_of_the_form():
    return HttpResponse(await sync_to_async(TripForm().as_p)())


def refused(form):
    return JsonResponse({"errors": form.errors}, status=400)


async def saved(form):
    trip = form.save(commit=False)
    trip.seats_left = trip.seats
    await trip.asave()
    await sync_to_async(form.save_m2m)()
    return JsonResponse({"trip": trip.pk}, status=201)


@known_answer("new_trip", breaks="makes_a_trip", says="`await sync_to_async(form.is_valid)()`")
async def checks_in_the_event_loop(request):
    if request.method == "GET":
        return await page_of_the_form()
    form = TripForm(request.POST)
    if not form.is_valid():
        return refused(form)
    return await saved(form)


@known_answer("new_trip", breaks="makes_a_trip", says="`save` of the form writes to the database")
async def saves_in_the_event_loop(request):
    if request.method == "GET":
        return await page_of_the_form()
    form = TripForm(request.POST)
    if not await sync_to_async(form.is_valid)():
        return refused(form)
    form.instance.seats_left = form.instance.seats
    return JsonResponse({"trip": form.save().pk}, status=201)


@known_answer("new_trip", breaks="makes_a_trip", says="`seats_left` is not in the form")
async def forgets_the_seats_left(request):
    if request.method == "GET":
        return await page_of_the_form()
    form = TripForm(request.POST)
    if not await sync_to_async(form.is_valid)():
        return refused(form)
    trip = form.save(commit=False)
    await trip.asave()
    return JsonResponse({"trip": trip.pk}, status=201)


@known_answer("new_trip", breaks="makes_a_trip", says="`form.save(commit=False)` writes nothing")
async def never_saves(request):
    if request.method == "GET":
        return await page_of_the_form()
    form = TripForm(request.POST)
    if not await sync_to_async(form.is_valid)():
        return refused(form)
    return JsonResponse({"trip": form.save(commit=False).pk}, status=201)


@known_answer("new_trip", breaks="makes_a_trip", says="the trip has no row yet")
async def saves_the_themes_before_the_trip(request):
    if request.method == "GET":
        return await page_of_the_form()
    form = TripForm(request.POST)
    if not await sync_to_async(form.is_valid)():
        return refused(form)
    trip = form.save(commit=False)
    trip.seats_left = trip.seats
    await sync_to_async(form.save_m2m)()
    await trip.asave()
    return JsonResponse({"trip": trip.pk}, status=201)


@known_answer("new_trip", breaks="makes_a_trip", says="`TripForm(request.POST)`")
async def reads_json(request):
    if request.method == "GET":
        return await page_of_the_form()
    form = TripForm(json.loads(request.body))
    return await saved(form) if await sync_to_async(form.is_valid)() else refused(form)


@known_answer("new_trip", breaks="keeps_the_themes", says="`commit=False` leaves the themes to `save_m2m`")
async def forgets_the_themes(request):
    if request.method == "GET":
        return await page_of_the_form()
    form = TripForm(request.POST)
    if not await sync_to_async(form.is_valid)():
        return refused(form)
    trip = form.save(commit=False)
    trip.seats_left = trip.seats
    await trip.asave()
    return JsonResponse({"trip": trip.pk}, status=201)


@known_answer("new_trip", breaks="answers_with_the_errors", says="look at what `is_valid` gives")
async def never_looks_at_the_check(request):
    if request.method == "GET":
        return await page_of_the_form()
    form = TripForm(request.POST)
    await sync_to_async(form.is_valid)()
    return await saved(form)


@known_answer("new_trip", breaks="answers_with_the_errors", says="got 200")
async def shows_the_errors_with_200(request):
    if request.method == "GET":
        return await page_of_the_form()
    form = TripForm(request.POST)
    if not await sync_to_async(form.is_valid)():
        return JsonResponse({"errors": form.errors})
    return await saved(form)


@known_answer("new_trip", breaks="draws_the_form", says="`await sync_to_async(form.as_p)()`")
async def draws_in_the_event_loop(request):
    if request.method == "GET":
        return HttpResponse(TripForm().as_p())
    form = TripForm(request.POST)
    if not await sync_to_async(form.is_valid)():
        return refused(form)
    return await saved(form)


def no_forecast():
    return JsonResponse({"error": "no forecast"}, status=502)


async def asked_and_kept(city):
    found = await ask(f"weather/{city}")
    await cache.aset(f"forecast:{city}", found, timeout=60)
    return found


queues = WeakValueDictionary()


@known_answer("forecast")
async def queue_before_the_first_look(request, city):
    async with queues.setdefault(city, asyncio.Lock()):
        try:
            found = await cache.aget(f"forecast:{city}") or await asked_and_kept(city)
        except ServiceError:
            return no_forecast()
    return JsonResponse(found)


questions = {}


@known_answer("forecast")
async def one_task_that_all_await(request, city):
    found = await cache.aget(f"forecast:{city}")
    if found is None:
        if city not in questions:
            questions[city] = asyncio.ensure_future(asked_and_kept(city))
            questions[city].add_done_callback(lambda _: questions.pop(city))
        try:
            found = await asyncio.shield(questions[city])
        except ServiceError:
            return no_forecast()
    return JsonResponse(found)


@known_answer("forecast")
async def the_cache_itself_decides(request, city):
    key = f"forecast:{city}"
    while (found := await cache.aget(key)) is None:
        if await cache.aadd(f"{key}:busy", True, timeout=10):
            try:
                found = await cache.aget(key) or await asked_and_kept(city)
                break
            except ServiceError:
                return no_forecast()
            finally:
                await cache.adelete(f"{key}:busy")
        await asyncio.sleep(0.01)
    return JsonResponse(found)


@known_answer("forecast", breaks="tells_the_weather", says="holds the event loop")
async def blocks_while_it_asks(request, city):
    import time

    time.sleep(0.01)
    return await asks_well(city)


async def asks_well(city):
    try:
        return JsonResponse(await cache.aget(f"forecast:{city}") or await asked_and_kept(city))
    except ServiceError:
        return no_forecast()


@known_answer("forecast", breaks="tells_the_weather", says="a blocking call holds the event loop")
async def asks_with_the_blocking_client(request, city):
    try:
        return JsonResponse(ask_blocking(f"weather/{city}"))
    except ServiceError:
        return no_forecast()


@known_answer("forecast", breaks="tells_the_weather", says="cannot pickle 'coroutine' object")
async def async_default(request, city):
    async def weather():
        return await ask(f"weather/{city}")

    return JsonResponse(await cache.aget_or_set(f"forecast:{city}", weather, timeout=60))


@known_answer("forecast", breaks="asks_once_for_two", says="2 questions")
async def asks_before_it_looks(request, city):
    try:
        found = await ask(f"weather/{city}")
    except ServiceError:
        return no_forecast()
    return JsonResponse(await cache.aget_or_set(f"forecast:{city}", found, timeout=60))


@known_answer("forecast", breaks="asks_once_for_two", says="`cache.aset` was called and not awaited")
async def forgets_to_await_the_cache(request, city):
    key = f"forecast:{city}"
    found = await cache.aget(key)
    if found is None:
        try:
            found = await ask(f"weather/{city}")
        except ServiceError:
            return no_forecast()
        cache.aset(key, found, timeout=60)
    return JsonResponse(found)


@known_answer("forecast", breaks="keeps_it_in_the_cache", says="forecast:Lisbon: None")
async def kept_under_another_key(request, city):
    if (found := await cache.aget(city)) is None:
        try:
            found = await ask(f"weather/{city}")
        except ServiceError:
            return no_forecast()
        await cache.aset(city, found, timeout=60)
    return JsonResponse(found)


@known_answer("forecast", breaks="keeps_it_in_the_cache", says="forecast:Lisbon: None")
@cache_page(60)
async def cached_by_a_decorator(request, city):
    return JsonResponse(await ask(f"weather/{city}"))


@known_answer("forecast", breaks="keeps_it_in_the_cache", says="a key for each city")
async def one_key_for_all_cities(request, city):
    async with queues.setdefault(city, asyncio.Lock()):
        found = await cache.aget("forecast:Lisbon")
        if found is None:
            try:
                found = await ask(f"weather/{city}")
            except ServiceError:
                return no_forecast()
            await cache.aset("forecast:Lisbon", found, timeout=60)
        return JsonResponse(found)


@known_answer("forecast", breaks="awaits_the_cache", says="`await cache.aget(…)`")
async def reads_the_cache_in_the_event_loop(request, city):
    async with queues.setdefault(city, asyncio.Lock()):
        found = cache.get(f"forecast:{city}")
        try:
            return JsonResponse(found or await asked_and_kept(city))
        except ServiceError:
            return no_forecast()


@known_answer("forecast", breaks="survives_a_stampede", says="10 questions")
async def everybody_asks(request, city):
    return await asks_well(city)


@known_answer("forecast", breaks="survives_a_stampede", says="10 questions")
async def no_second_look(request, city):
    if found := await cache.aget(f"forecast:{city}"):
        return JsonResponse(found)
    async with queues.setdefault(city, asyncio.Lock()):
        try:
            return JsonResponse(await asked_and_kept(city))
        except ServiceError:
            return no_forecast()


@known_answer("forecast", breaks="survives_a_stampede", says="10 questions")
async def a_lock_for_each_visitor(request, city):
    async with asyncio.Lock():
        return await asks_well(city)


@known_answer("forecast", breaks="two_cities_at_once", says="a lock for each key")
async def one_lock_for_all_cities(request, city):
    async with queues.setdefault("all cities", asyncio.Lock()):
        return await asks_well(city)


@known_answer("forecast", breaks="survives_a_failing_service", says="`except ServiceError:`")
async def lets_the_error_out(request, city):
    async with queues.setdefault(city, asyncio.Lock()):
        found = await cache.aget(f"forecast:{city}") or await asked_and_kept(city)
    return JsonResponse(found)


@known_answer("forecast", breaks="survives_a_failing_service", says="the failure was kept")
async def keeps_the_failure(request, city):
    key = f"forecast:{city}"
    async with queues.setdefault(city, asyncio.Lock()):
        found = await cache.aget(key)
        if found is None:
            try:
                found = await ask(f"weather/{city}")
            except ServiceError:
                found = {"error": "no forecast"}
            await cache.aset(key, found, timeout=60)
    return JsonResponse(found, status=502 if "error" in found else 200)


waiting = {}


@known_answer("forecast", breaks="survives_a_failing_service", says="it awaits something that never comes")
async def never_wakes_the_others_up(request, city):
    if found := await cache.aget(f"forecast:{city}"):
        return JsonResponse(found)
    if arrived := waiting.get(city):
        await arrived.wait()
        return JsonResponse(await cache.aget(f"forecast:{city}"))
    waiting[city] = asyncio.Event()
    try:
        found = await asked_and_kept(city)
    except ServiceError:
        return no_forecast()
    waiting.pop(city).set()
    return JsonResponse(found)
