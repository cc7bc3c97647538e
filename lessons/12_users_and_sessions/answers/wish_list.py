import asyncio
import json

from asgiref.sync import sync_to_async
from django.core.exceptions import BadRequest
from django.http import JsonResponse
from django.views import View
from django.views.decorators.http import require_http_methods

from tutorial_project.checks import known_answer


def wishes_as_json(wishes, status=200):
    return JsonResponse({"wish_list": wishes}, status=status)


def sent_trip(request):
    """The trip of a body, or a 400."""
    try:
        return int(json.loads(request.body)["trip"])
    except (ValueError, KeyError, TypeError):
        raise BadRequest from None


@known_answer("wish_list")
@require_http_methods(["GET", "POST"])
async def changes_the_list_and_writes_it_back(request):
    wishes = await request.session.aget("wish_list") or []
    if request.method == "POST":
        if sent_trip(request) not in wishes:
            wishes.append(sent_trip(request))
        await request.session.aset("wish_list", wishes)
        return wishes_as_json(wishes, 201)
    return wishes_as_json(wishes)


@known_answer("wish_list", when="Where the list grows long: a key of a dictionary is found without a search.")
@require_http_methods(["GET", "POST"])
async def keeps_the_keys_of_a_dictionary(request):
    wishes = await request.session.asetdefault("wishes", {})
    if request.method == "POST":
        wishes[str(sent_trip(request))] = True
        request.session.modified = True
    return wishes_as_json([int(trip) for trip in wishes], 201 if request.method == "POST" else 200)


@known_answer("wish_list")
class WishList(View):
    async def get(self, request):
        return wishes_as_json(await sync_to_async(request.session.get)("wish_list", []))

    async def post(self, request):
        # The row is loaded with the first await; after that the sync door opens too.
        wishes = await request.session.aget("wish_list", [])
        request.session["wish_list"] = list(dict.fromkeys([*wishes, sent_trip(request)]))
        return wishes_as_json(request.session["wish_list"], 201)


@known_answer(
    "wish_list",
    breaks="serves_who_has_a_session",
    says='next await request.session.aget("wish_list", [])',
    because='`request.session["wish_list"]` reads the session from the',
)
async def reads_the_session_in_the_event_loop(request):
    wishes = request.session.get("wish_list", [])
    if request.method == "GET":
        return wishes_as_json(wishes)
    if sent_trip(request) not in wishes:
        request.session["wish_list"] = [*wishes, sent_trip(request)]
    return wishes_as_json(request.session["wish_list"], 201)


@known_answer("wish_list", breaks="adds_a_trip", says="not a change inside of a list")
async def appends_and_assigns_nothing(request):
    wishes = await request.session.aget("wish_list", [])
    if request.method == "GET":
        return wishes_as_json(wishes)
    if sent_trip(request) not in wishes:
        wishes.append(sent_trip(request))
    return wishes_as_json(wishes, 201)


@known_answer("wish_list", breaks="adds_a_trip", says="not a change inside of a list")
async def appends_to_the_default(request):
    wishes = await request.session.asetdefault("wish_list", [])
    if request.method == "GET":
        return wishes_as_json(wishes)
    if sent_trip(request) not in wishes:
        wishes.append(sent_trip(request))
    return wishes_as_json(wishes, 201)


@known_answer("wish_list", breaks="adds_a_trip", says="the session keeps what is assigned to it")
async def saves_and_assigns_nothing(request):
    wishes = await request.session.aget("wish_list", [])
    if request.method == "GET":
        return wishes_as_json(wishes)
    if (trip := sent_trip(request)) not in wishes:
        wishes.append(trip)
    await request.session.asave()
    return wishes_as_json(wishes, 201)


@known_answer("wish_list", breaks="answers_in_order", says="this body is JSON")
async def reads_the_trip_from_a_form(request):
    wishes = await request.session.aget("wish_list", [])
    if request.method == "GET":
        return wishes_as_json(wishes)
    await request.session.aset("wish_list", [*wishes, int(request.POST["trip"])])
    return wishes_as_json(wishes, 201)


@known_answer("wish_list", breaks="adds_a_trip", says="`aset` was called and not awaited")
async def forgets_to_await_the_write(request):
    wishes = await request.session.aget("wish_list", [])
    if request.method == "GET":
        return wishes_as_json(wishes)
    wishes = [*wishes, sent_trip(request)]
    request.session.aset("wish_list", wishes)
    return wishes_as_json(wishes, 201)


@known_answer("wish_list", breaks="answers_in_order", says="a coroutine was put into the answer")
async def forgets_to_await_the_read(request):
    wishes = request.session.aget("wish_list", [])
    if request.method == "GET":
        return wishes_as_json(wishes)
    await request.session.aset("wish_list", [*wishes, sent_trip(request)])
    return wishes_as_json(wishes, 201)


@known_answer("wish_list", breaks="answers_in_order", says="not in the order in which they were added")
async def keeps_a_set(request):
    wishes = await request.session.aget("wish_list", [])
    if request.method == "GET":
        return wishes_as_json(wishes)
    wishes = list({*wishes, sent_trip(request)})
    await request.session.aset("wish_list", wishes)
    return wishes_as_json(wishes, 201)


@known_answer("wish_list", breaks="answers_in_order", says="not JSON serializable")
async def stores_a_set(request):
    wishes = await request.session.aget("wish_list", set())
    if request.method == "GET":
        return wishes_as_json(list(wishes))
    wishes = set(wishes) | {sent_trip(request)}
    await request.session.aset("wish_list", wishes)
    return wishes_as_json(list(wishes), 201)


@known_answer("wish_list", breaks="answers_in_order", says='got 200 {"wish_list": null}')
async def has_no_default(request):
    wishes = await request.session.aget("wish_list")
    if request.method == "GET":
        return wishes_as_json(wishes)
    await request.session.aset("wish_list", [*(wishes or []), sent_trip(request)])
    return wishes_as_json(await request.session.aget("wish_list"), 201)


OF_EVERYBODY = []


@known_answer(
    "wish_list",
    breaks="answers_in_order",
    says="wish_list",
    because="another traveller sees this one's wishes",
)
async def keeps_one_list_for_everybody(request):
    if request.method == "GET":
        return wishes_as_json(OF_EVERYBODY)
    if sent_trip(request) not in OF_EVERYBODY:
        OF_EVERYBODY.append(sent_trip(request))
    return wishes_as_json(OF_EVERYBODY, 201)


@known_answer("wish_list", breaks="keeps_one", says="got 201")
async def adds_without_a_look(request):
    wishes = await request.session.aget("wish_list", [])
    if request.method == "GET":
        return wishes_as_json(wishes)
    await request.session.aset("wish_list", [*wishes, sent_trip(request)])
    return wishes_as_json([*wishes, sent_trip(request)], 201)


@known_answer("wish_list", breaks="adds_a_trip", says="got 200")
async def answers_200(request):
    wishes = await request.session.aget("wish_list", [])
    if request.method == "POST" and sent_trip(request) not in wishes:
        wishes = [*wishes, sent_trip(request)]
        await request.session.aset("wish_list", wishes)
    return wishes_as_json(wishes)


@known_answer("wish_list", breaks="knows_two_methods", says="as one of its own methods")
async def adds_with_every_other_method(request):
    wishes = await request.session.aget("wish_list", [])
    if request.method == "GET":
        return wishes_as_json(wishes)
    wishes = list(dict.fromkeys([*wishes, sent_trip(request)]))
    await request.session.aset("wish_list", wishes)
    return wishes_as_json(wishes, 201)


def wrong_reading(says):
    """A view that is right but for how it reads the body."""

    def make(read):
        @require_http_methods(["GET", "POST"])
        async def view(request):
            wishes = await request.session.aget("wish_list", [])
            if request.method == "GET":
                return wishes_as_json(wishes)
            wishes = list(dict.fromkeys([*wishes, read(request)]))
            await request.session.aset("wish_list", wishes)
            return wishes_as_json(wishes, 201)

        view.__name__ = read.__name__
        return known_answer("wish_list", breaks="refuses_bad_bodies", says=says)(view)

    return make


@wrong_reading("JSONDecodeError")
def takes_any_body_for_json(request):
    return json.loads(request.body)["trip"]


@wrong_reading("TypeError")
def takes_any_json_for_an_object(request):
    try:
        return int(json.loads(request.body)["trip"])
    except (ValueError, KeyError):
        raise BadRequest from None


@wrong_reading("UnicodeDecodeError")
def takes_any_bytes_for_utf_8(request):
    try:
        sent = json.loads(request.body)
    except json.JSONDecodeError:
        raise BadRequest from None
    if not isinstance(sent, dict) or type(sent.get("trip")) is not int:
        raise BadRequest
    return sent["trip"]


@wrong_reading("expected 400")
def takes_any_value_for_a_number(request):
    try:
        return json.loads(request.body)["trip"]
    except (ValueError, KeyError, TypeError):
        raise BadRequest from None


@wrong_reading("expected 400")
def takes_a_missing_trip(request):
    try:
        return json.loads(request.body).get("trip")
    except (ValueError, AttributeError):
        raise BadRequest from None


LAST = {}


@known_answer("wish_list", breaks="serves_who_has_a_session", says="with the same cookie")
@require_http_methods(["GET", "POST"])
async def remembers_what_it_read(request):
    wishes = await request.session.aget("wish_list", [])
    if request.method == "GET":
        key = request.session.session_key
        return wishes_as_json(LAST.setdefault(key, wishes) if key and len(key) == 32 else wishes)
    wishes = list(dict.fromkeys([*wishes, sent_trip(request)]))
    await request.session.aset("wish_list", wishes)
    return wishes_as_json(wishes, 201)


current = {}


@known_answer("wish_list", breaks="keeps_lists_apart", says="got")
async def keeps_the_request_in_the_module(request):
    current.update(request=request)
    await asyncio.sleep(0.02)
    return await keeps_the_keys_of_a_dictionary(current["request"])


@wrong_reading("wish_list")
def takes_a_truth_for_a_number(request):
    try:
        trip = json.loads(request.body)["trip"]
    except (ValueError, KeyError, TypeError):
        raise BadRequest from None
    if not isinstance(trip, int):
        raise BadRequest
    return trip


def writes_with(write):
    """A view that is right, but for what it does to write the list."""

    @require_http_methods(["GET", "POST"])
    async def view(request):
        wishes = await request.session.aget("wish_list", [])
        if request.method == "GET":
            return wishes_as_json(wishes)
        wishes = list(dict.fromkeys([*wishes, sent_trip(request)]))
        wishes = await write(request, wishes) or wishes
        await request.session.aset("wish_list", wishes)
        return wishes_as_json(wishes, 201)

    view.__name__ = write.__name__
    return view


@known_answer("wish_list", breaks="serves_who_has_a_session", says="the session holds more than the wishes")
@writes_with
async def logs_the_traveller_out(request, wishes):
    await request.session.aflush()


@known_answer("wish_list", breaks="adds_a_trip", says="expected 201")
@writes_with
async def keeps_ten_at_most(request, wishes):
    return wishes[:10]


@known_answer("wish_list", breaks="serves_who_has_a_session", says="as before")
@writes_with
async def keeps_the_login_alone(request, wishes):
    for key in list(await request.session.akeys()):
        if not key.startswith("_auth"):
            await request.session.apop(key)


reading = {}


@known_answer("wish_list", breaks="keeps_lists_apart", says="while two others add a trip")
@writes_with
async def keeps_the_list_in_the_module(request, wishes):
    reading["wishes"] = wishes
    await asyncio.sleep(0.02)
    return reading["wishes"]


@known_answer(
    "wish_list",
    breaks="knows_two_methods",
    says="REPORT",
    because="the view served REPORT as one of its own methods",
)
async def reads_with_a_method_that_nobody_thought_of(request):
    if request.method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        return await WishList.as_view()(request)
    return wishes_as_json(await request.session.aget("wish_list", []))


EQUAL_MUTANTS = {
    "local as global: nothing → global wishes": "nobody else has a turn from there on: the session is loaded, and `aset` "
    "waits for nothing",
}
