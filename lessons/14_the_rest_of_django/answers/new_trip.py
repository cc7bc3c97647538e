import json
import time

from asgiref.sync import sync_to_async
from django import forms
from django.http import HttpResponse, JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Trip


class TripForm(forms.ModelForm):
    class Meta:
        model = Trip
        fields = ["destination", "title", "departs", "nights", "price", "seats", "themes"]

    def clean_title(self):
        title = self.cleaned_data["title"]
        if Trip.objects.filter(title=title).exists():
            raise forms.ValidationError("There is a trip with this title.")
        return title


@known_answer("new_trip", when="Where the steps belong in one transaction: it takes one sync function.")
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


@known_answer("new_trip", breaks="holds_nobody_up", says="`time.sleep` holds the event loop")
async def rests_before_the_form(request):
    time.sleep(0.01)
    return await all_of_the_form_in_one_function(request)


@known_answer("new_trip", breaks="answers_with_the_errors", says='"title": […], "price": […]')
async def tells_the_first_error(request):
    form = TripForm(request.POST)
    if request.method == "GET":
        return await page_of_the_form()
    if await sync_to_async(form.is_valid)():
        form.instance.seats_left = form.instance.seats
        return JsonResponse({"trip": (await sync_to_async(form.save)()).pk}, status=201)
    return JsonResponse({"errors": dict(list(form.errors.items())[:1])}, status=400)


@known_answer("new_trip", breaks="makes_a_trip", says="POST /trips/new/?from=mail")
async def reads_the_query_string_first(request):
    if request.method == "GET":
        return await page_of_the_form()
    form = TripForm(request.GET or request.POST)
    if not await sync_to_async(form.is_valid)():
        return refused(form)
    form.instance.seats_left = form.cleaned_data["seats"]
    trip = await sync_to_async(form.save)()
    return JsonResponse({"trip": trip.pk}, status=201)


@known_answer(
    "new_trip",
    breaks="answers_with_the_errors",
    says="'seats': 'many'",
)
async def counts_the_seats_before_the_check(request):
    if request.method == "GET":
        return await page_of_the_form()
    form = TripForm(request.POST)
    form.instance.seats_left = int(request.POST["seats"])
    if not await sync_to_async(form.is_valid)():
        return refused(form)
    trip = await sync_to_async(form.save)()
    return JsonResponse({"trip": trip.pk}, status=201)


@known_answer("new_trip", breaks="draws_the_form", says="filled in")
async def shows_the_last_trip(request):
    def page():
        return HttpResponse(TripForm(instance=Trip.objects.last()).as_p())

    if request.method == "GET":
        return await sync_to_async(page)()
    form = TripForm(request.POST)
    if not await sync_to_async(form.is_valid)():
        return refused(form)
    form.instance.seats_left = form.cleaned_data["seats"]
    trip = await sync_to_async(form.save)()
    return JsonResponse({"trip": trip.pk}, status=201)


@known_answer("new_trip", breaks="keeps_the_themes", says="in the database")
async def keeps_two_themes_at_most(request):
    if request.method == "GET":
        return await page_of_the_form()
    form = TripForm(request.POST)
    if not await sync_to_async(form.is_valid)():
        return refused(form)
    data = form.cleaned_data
    themes = await sync_to_async(lambda: list(data.pop("themes"))[:2])()
    trip = await Trip.objects.acreate(**data, seats_left=data["seats"])
    await trip.themes.aset(themes)
    return JsonResponse({"trip": trip.pk}, status=201)


@known_answer("new_trip", breaks="makes_a_trip", says="another trip is made right after this one")
async def tells_the_newest_trip(request):
    answer = await sets_the_themes_by_itself(request)
    if answer.status_code != 201:
        return answer
    return JsonResponse({"trip": (await Trip.objects.alatest("pk")).pk}, status=201)


@known_answer("new_trip", breaks="makes_a_trip", says="99 seats left")
async def fills_no_more_than_a_coach(request):
    answer = await sets_the_themes_by_itself(request)
    if answer.status_code == 201:
        title = request.POST["title"]
        await Trip.objects.filter(title=title, seats__gt=99).aupdate(seats_left=99)
    return answer


@known_answer("new_trip", breaks="answers_with_the_errors", says="got 1 trip made")
async def keeps_a_draft(request):
    if request.method == "GET":
        return await page_of_the_form()
    form = TripForm(request.POST)
    if not await sync_to_async(form.is_valid)():
        if place := form.cleaned_data.get("destination"):
            numbers = dict.fromkeys(("nights", "price", "seats", "seats_left"), 0)
            await Trip.objects.acreate(
                destination=place, title="draft", departs="2027-01-01", active=False, **numbers
            )
        return refused(form)
    return await saved(form)


EQUAL_MUTANTS = {
    "decorator: @transaction.atomic …": "what stays when the database fails between a trip and its themes is left open",
}
