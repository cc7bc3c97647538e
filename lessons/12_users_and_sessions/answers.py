import json

import django
from asgiref.sync import sync_to_async
from django.contrib.auth import aauthenticate, aget_user, alogin, alogout, authenticate, login
from django.contrib.auth.decorators import login_required, permission_required, user_passes_test
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, JsonResponse
from django.shortcuts import aget_object_or_404
from django.views import View

from tutorial_project.classroom.checks import known_answer
from tutorial_project.trips.models import Trip


def named(user):
    return JsonResponse({"traveller": user.username or None})


def unknown():
    return JsonResponse({"error": "wrong username or password"}, status=401)


async def rest_of_the_session(request):
    """What the wrong answers below do right: DELETE and GET."""
    if request.method == "DELETE":
        await alogout(request)
        return JsonResponse({"traveller": None})
    return named(await request.auser())


@known_answer("login_session")
class LoginSession(View):
    async def get(self, request):
        return named(await aget_user(request))

    async def post(self, request):
        user = await aauthenticate(request, **json.loads(request.body))
        if not user:
            return unknown()
        await alogin(request, user)
        return named(await aget_user(request))

    async def delete(self, request):
        await alogout(request)
        return named(await aget_user(request))


@known_answer("login_session")
async def hashes_in_a_thread(request):
    if request.method == "POST":
        sent = json.loads(request.body)
        user = await sync_to_async(authenticate)(
            request, username=sent["username"], password=sent["password"]
        )
        if user is None:
            return unknown()
        await sync_to_async(login)(request, user)
        return named(user)
    if request.method == "DELETE":
        await alogout(request)
        return named(request.user)
    return named(await sync_to_async(aget_user_sync)(request))


def aget_user_sync(request):
    str(request.user)  # looked up here, in the thread
    return request.user


@known_answer("login_session", breaks="says_who_is_there", says="next user = await request.auser()")
async def reads_the_lazy_user(request):
    if request.method == "GET":
        return named(request.user)
    return await logs_in_well(request)


async def logs_in_well(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    user = await aauthenticate(request, **json.loads(request.body))
    if user is None:
        return unknown()
    await alogin(request, user)
    return named(user)


@known_answer("login_session", breaks="says_who_is_there", says="`user.username or None`")
async def gives_the_empty_name(request):
    if request.method == "GET":
        return JsonResponse({"traveller": (await request.auser()).username})
    return await logs_in_well(request)


@known_answer("login_session", breaks="says_who_is_there", says="`(await …).attribute`")
async def forgets_to_await_the_user(request):
    if request.method == "GET":
        return JsonResponse({"traveller": request.auser().username})
    return await logs_in_well(request)


@known_answer("login_session", breaks="logs_in", says="next await aauthenticate(…)")
async def authenticates_in_the_event_loop(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    user = authenticate(request, **json.loads(request.body))
    if user is None:
        return unknown()
    await alogin(request, user)
    return named(user)


@known_answer("login_session", breaks="logs_in", says="next await alogin(…)")
async def logs_in_in_the_event_loop(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    user = await aauthenticate(request, **json.loads(request.body))
    if user is None:
        return unknown()
    login(request, user)
    return named(user)


@known_answer("login_session", breaks="logs_in", says="`alogin` was called and not awaited")
async def forgets_to_await_the_login(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    user = await aauthenticate(request, **json.loads(request.body))
    if user is None:
        return unknown()
    alogin(request, user)
    return named(user)


@known_answer("login_session", breaks="logs_in", says="the body is JSON")
async def reads_the_fields_of_a_form(request):
    if request.method == "POST":
        sent = {name: request.POST.get(name) for name in ("username", "password")}
        user = await aauthenticate(request, **sent)
        if user is None:
            return unknown()
        await alogin(request, user)
        return named(user)
    return await rest_of_the_session(request)


@known_answer("login_session", breaks="logs_in", says="the session does not hold the user")
async def only_authenticates(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    user = await aauthenticate(request, **json.loads(request.body))
    return unknown() if user is None else named(user)


@known_answer("login_session", breaks="refuses_wrong_credentials", says="None was logged in")
async def logs_in_whatever_comes(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    user = await aauthenticate(request, **json.loads(request.body))
    await alogin(request, user)
    return named(user)


@known_answer(
    "login_session", breaks="refuses_wrong_credentials", says="`aget` raises when there is no such row"
)
async def looks_the_user_up_first(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    sent = json.loads(request.body)
    user = await User.objects.aget(username=sent["username"])
    if not await user.acheck_password(sent["password"]):
        return unknown()
    await alogin(request, user)
    return named(user)


@known_answer("login_session", breaks="refuses_wrong_credentials", says="got 200")
async def forgets_the_status(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    user = await aauthenticate(request, **json.loads(request.body))
    if user is None:
        return JsonResponse({"error": "wrong username or password"})
    await alogin(request, user)
    return named(user)


@known_answer("login_session", breaks="keeps_the_session_at_login", says="loses everything")
async def flushes_before_the_login(request):
    if request.method == "POST":
        await request.session.aflush()
    return await logs_in_well(request)


@known_answer("login_session", breaks="logs_out", says="`alogout` was called and not awaited")
async def forgets_to_await_the_logout(request):
    if request.method == "DELETE":
        alogout(request)
        return JsonResponse({"traveller": None})
    return await logs_in_well(request)


@known_answer("login_session", breaks="logs_out", says="stayed for whoever comes next")
async def takes_the_user_out_of_the_session(request):
    if request.method == "DELETE":
        await request.session.apop("_auth_user_id")
        return JsonResponse({"traveller": None})
    return await logs_in_well(request)


OLD_ON_5_2 = {"breaks": "logs_out", "says": "names the user of before"} if django.VERSION < (6, 0) else {}


@known_answer("login_session", **OLD_ON_5_2)
async def asks_auser_again_after_the_logout(request):
    if request.method == "DELETE":
        await alogout(request)
        return named(await request.auser())
    return await logs_in_well(request)


def wishes_as_json(wishes, status=200):
    return JsonResponse({"wish_list": wishes}, status=status)


def sent_trip(request):
    return json.loads(request.body)["trip"]


@known_answer("wish_list")
async def changes_the_list_and_writes_it_back(request):
    wishes = await request.session.aget("wish_list") or []
    if request.method == "POST":
        if sent_trip(request) not in wishes:
            wishes.append(sent_trip(request))
        await request.session.aset("wish_list", wishes)
        return wishes_as_json(wishes, 201)
    return wishes_as_json(wishes)


@known_answer("wish_list")
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
    "wish_list", breaks="serves_who_has_a_session", says='next await request.session.aget("wish_list", [])'
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


@known_answer("wish_list", breaks="answers_in_order", says="a set has none")
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


@known_answer("wish_list", breaks="answers_in_order", says="wish_list")
async def keeps_one_list_for_everybody(request):
    if request.method == "GET":
        return wishes_as_json(OF_EVERYBODY)
    if sent_trip(request) not in OF_EVERYBODY:
        OF_EVERYBODY.append(sent_trip(request))
    return wishes_as_json(OF_EVERYBODY, 201)


@known_answer("wish_list", breaks="keeps_one", says='got 201 {"wish_list": [3, 7, 7]}')
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


async def off_sale(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    trip.active = False
    await trip.asave()
    by = (await request.auser()).username
    return JsonResponse({"trip": pk, "active": False, "by": by})


CHANGE = "trips.change_trip"
may_change = permission_required(CHANGE, raise_exception=True)


@known_answer("take_off_sale")
@login_required
@may_change
async def decorated(request, pk):
    user = await request.auser()
    if not user.is_staff:
        return HttpResponse("for staff", status=403)
    updated = await Trip.objects.filter(pk=pk).aupdate(active=False)
    if not updated:
        return HttpResponse(status=404)
    return JsonResponse({"trip": pk, "active": False, "by": user.username})


def staff_or_403(user):
    if user.is_staff and user.has_perm(CHANGE):
        return True
    raise PermissionDenied


@known_answer("take_off_sale")
@login_required
@user_passes_test(staff_or_403)
async def tested_in_a_thread(request, pk):
    return await off_sale(request, pk)


@known_answer("take_off_sale")
async def reads_all_permissions(request, pk):
    user = await request.auser()
    if user.is_anonymous:
        return redirect_to_login(request.get_full_path())
    if not user.is_staff or CHANGE not in await user.aget_all_permissions():
        return HttpResponse(status=403)
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="sends_visitors_to_the_login", says="403 is for who is known")
@may_change
async def refuses_everybody_alike(request, pk):
    return await off_sale(request, pk)


@known_answer(
    "take_off_sale", breaks="sends_visitors_to_the_login", says="`ahas_perm` was called and not awaited"
)
async def lets_everybody_in(request, pk):
    user = await request.auser()
    if not user.ahas_perm(CHANGE):
        return redirect_to_login(request.get_full_path())
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="refuses_travellers", says="`ahas_perm` was called and not awaited")
@login_required
async def lets_every_traveller_in(request, pk):
    user = await request.auser()
    if user.ahas_perm(CHANGE):
        return await off_sale(request, pk)
    raise PermissionDenied


@known_answer("take_off_sale", breaks="refuses_travellers", says="is sent to log in, comes back")
@permission_required(CHANGE)
async def sends_travellers_to_log_in_again(request, pk):
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="refuses_travellers", says="next user = await request.auser()")
@login_required
async def reads_request_user(request, pk):
    if not request.user.is_staff:
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="refuses_travellers", says="next await user.ahas_perm(…)")
@login_required
async def asks_for_the_permission_in_the_event_loop(request, pk):
    if not (await request.auser()).has_perm(CHANGE):
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="refuses_travellers", says="trip 7 off sale in the database")
@login_required
async def acts_before_it_asks(request, pk):
    answer = await off_sale(request, pk)
    user = await request.auser()
    if not user.is_staff or not await user.ahas_perm(CHANGE):
        raise PermissionDenied
    return answer


@known_answer(
    "take_off_sale", breaks="refuses_staff_without_the_permission", says="grace, staff without a permission"
)
@login_required
async def asks_for_staff_alone(request, pk):
    if not (await request.auser()).is_staff:
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="refuses_who_is_not_staff", says="not staff, with the permission")
@login_required
@may_change
async def asks_for_the_permission_alone(request, pk):
    return await off_sale(request, pk)


def staff_with_change(view):
    async def test(user):
        if user.is_staff and await user.ahas_perm(CHANGE):
            return True
        raise PermissionDenied

    return login_required(user_passes_test(test)(view))


@known_answer("take_off_sale", breaks="takes_it_off_sale", says="its name begins with the app's")
@login_required
async def names_the_permission_without_its_app(request, pk):
    user = await request.auser()
    if not user.is_staff or not await user.ahas_perm("change_trip"):
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="takes_it_off_sale", says="`asave` was called and not awaited")
@staff_with_change
async def forgets_to_await_the_write_of_the_trip(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    trip.active = False
    trip.asave()
    return JsonResponse({"trip": pk, "active": trip.active, "by": (await request.auser()).username})


@known_answer("take_off_sale", breaks="takes_it_off_sale", says="next user = await request.auser()")
@staff_with_change
async def signs_with_request_user(request, pk):
    await Trip.objects.filter(pk=pk).aupdate(active=False)
    return JsonResponse({"trip": pk, "active": False, "by": request.user.username})


@known_answer("take_off_sale", breaks="asks_groups_too", says="from any of the user's groups")
@login_required
async def looks_at_the_users_own_permissions(request, pk):
    user = await request.auser()
    if not user.is_staff or CHANGE not in await user.aget_user_permissions():
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="knows_no_trip_7000", says="`aget` raises when there is no such row")
@staff_with_change
async def gets_any_trip(request, pk):
    trip = await Trip.objects.aget(pk=pk)
    trip.active = False
    await trip.asave()
    return JsonResponse({"trip": pk, "active": False, "by": (await request.auser()).username})


@known_answer("take_off_sale", breaks="knows_no_trip_7000", says="got 200")
@staff_with_change
async def updates_whatever_is_there(request, pk):
    await Trip.objects.filter(pk=pk).aupdate(active=False)
    return JsonResponse({"trip": pk, "active": False, "by": (await request.auser()).username})
