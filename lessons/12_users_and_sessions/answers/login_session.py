import asyncio
import json

import django
from asgiref.sync import sync_to_async
from django.contrib.auth import aauthenticate, aget_user, alogin, alogout, authenticate, login
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest
from django.db.models import Q
from django.http import HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views import View

from tutorial_project.checks import known_answer


def named(user):
    return JsonResponse({"traveller": user.username or None})


def unknown():
    return JsonResponse({"error": "wrong username or password"}, status=401)


def credentials(request):
    """What the answers below do right with a body: two texts, or a 400."""
    try:
        sent = json.loads(request.body)
        found = {name: sent[name] for name in ("username", "password")}
    except (ValueError, KeyError, TypeError):
        raise BadRequest from None
    if not all(isinstance(value, str) for value in found.values()):
        raise BadRequest
    return found


async def rest_of_the_session(request):
    """What the wrong answers below do right: DELETE and GET."""
    if request.method not in ("GET", "DELETE"):
        return HttpResponseNotAllowed(["GET", "POST", "DELETE"])
    if request.method == "DELETE":
        await alogout(request)
        return JsonResponse({"traveller": None})
    return named(await request.auser())


@known_answer("login_session", when="Where each method has a body of its own: no `if` asks for the method.")
class LoginSession(View):
    async def get(self, request):
        return named(await aget_user(request))

    async def post(self, request):
        user = await aauthenticate(request, **credentials(request))
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
        user = await sync_to_async(authenticate)(request, **credentials(request))
        if user is None:
            return unknown()
        await sync_to_async(login)(request, user)
        return named(user)
    if request.method == "DELETE":
        await alogout(request)
        return named(request.user)
    if request.method != "GET":
        return HttpResponse(status=405)
    return named(await sync_to_async(aget_user_sync)(request))


def aget_user_sync(request):
    str(request.user)  # looked up here, in the thread
    return request.user


@known_answer(
    "login_session",
    breaks="says_who_is_there",
    says="next user = await request.auser()",
    because="`request.user` reads the user from the database, in the event",
)
async def reads_the_lazy_user(request):
    if request.method == "GET":
        return named(request.user)
    return await logs_in_well(request)


async def logs_in_well(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    user = await aauthenticate(request, **credentials(request))
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


@known_answer(
    "login_session",
    breaks="logs_in",
    says="next await aauthenticate(…)",
    because="`authenticate` reads and writes the database, in the event loop",
)
async def authenticates_in_the_event_loop(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    user = authenticate(request, **credentials(request))
    if user is None:
        return unknown()
    await alogin(request, user)
    return named(user)


@known_answer(
    "login_session",
    breaks="logs_in",
    says="next await alogin(…)",
    because="`login` reads and writes the database, in the event loop",
)
async def logs_in_in_the_event_loop(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    user = await aauthenticate(request, **credentials(request))
    if user is None:
        return unknown()
    login(request, user)
    return named(user)


@known_answer("login_session", breaks="logs_in", says="`alogin` was called and not awaited")
async def forgets_to_await_the_login(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    user = await aauthenticate(request, **credentials(request))
    if user is None:
        return unknown()
    alogin(request, user)
    return named(user)


@known_answer("login_session", breaks="logs_in", says="this body is JSON")
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
    user = await aauthenticate(request, **credentials(request))
    return unknown() if user is None else named(user)


@known_answer("login_session", breaks="refuses_wrong_credentials", says="None was logged in")
async def logs_in_whatever_comes(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    user = await aauthenticate(request, **credentials(request))
    await alogin(request, user)
    return named(user)


@known_answer(
    "login_session", breaks="refuses_wrong_credentials", says="`aget` raises when there is no such row"
)
async def looks_the_user_up_first(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    sent = credentials(request)
    user = await User.objects.aget(username=sent["username"])
    if not await user.acheck_password(sent["password"]):
        return unknown()
    await alogin(request, user)
    return named(user)


@known_answer("login_session", breaks="refuses_wrong_credentials", says="got 200")
async def forgets_the_status(request):
    if request.method != "POST":
        return await rest_of_the_session(request)
    user = await aauthenticate(request, **credentials(request))
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


def wrong_login(breaks, says):
    """An answer that is right but for how it logs in: a function that takes the request and gives the response."""

    def make(log_in):
        async def view(request):
            return await (log_in if request.method == "POST" else rest_of_the_session)(request)

        view.__name__ = log_in.__name__
        return known_answer("login_session", breaks=breaks, says=says)(view)

    return make


async def finish(request, user):
    if user is None:
        return unknown()
    await alogin(request, user)
    return named(user)


@wrong_login("refuses_bad_bodies", "`JSONDecodeError` reaches Django")
async def takes_any_body_for_json(request):
    sent = json.loads(request.body)
    return await finish(
        request, await aauthenticate(request, username=sent["username"], password=sent["password"])
    )


@wrong_login("refuses_bad_bodies", "`TypeError` reaches Django")
async def takes_any_json_for_an_object(request):
    try:
        sent = json.loads(request.body)
        found = {name: sent[name] for name in ("username", "password")}
    except (ValueError, KeyError):
        raise BadRequest from None
    return await finish(request, await aauthenticate(request, **found))


@wrong_login("refuses_bad_bodies", "expected 400")
async def takes_any_value_for_a_text(request):
    try:
        sent = json.loads(request.body)
        found = {name: sent[name] for name in ("username", "password")}
    except (ValueError, KeyError, TypeError):
        raise BadRequest from None
    return await finish(request, await aauthenticate(request, **found))


@wrong_login("refuses_bad_bodies", "`UnicodeDecodeError` reaches Django")
async def takes_any_bytes_for_utf_8(request):
    try:
        sent = json.loads(request.body)
    except json.JSONDecodeError:
        raise BadRequest from None
    if not isinstance(sent, dict):
        raise BadRequest
    found = {name: sent.get(name) for name in ("username", "password")}
    if not all(isinstance(value, str) for value in found.values()):
        raise BadRequest
    return await finish(request, await aauthenticate(request, **found))


@wrong_login("chooses_the_arguments", "the client chose an argument")
async def lets_the_client_choose_the_arguments(request):
    credentials(request)
    return await finish(request, await aauthenticate(request, **json.loads(request.body)))


@wrong_login("refuses_wrong_credentials", "expected 401")
async def lets_inactive_accounts_in(request):
    sent = credentials(request)
    user = await User.objects.filter(username=sent["username"]).afirst()
    if user and await user.acheck_password(sent["password"]):
        user.backend = "django.contrib.auth.backends.ModelBackend"
        return await finish(request, user)
    return unknown()


@wrong_login("refuses_wrong_credentials", "got 200")
async def takes_the_first_name_or_the_address(request):
    sent = credentials(request)
    known = Q(username=sent["username"]) | Q(first_name=sent["username"]) | Q(email=sent["username"])
    found = await User.objects.filter(known).afirst()
    name = found.username if found else ""
    return await finish(request, await aauthenticate(request, username=name, password=sent["password"]))


@wrong_login("logs_in", "the session does not hold the user")
async def answers_with_the_user_of_before(request):
    if await aauthenticate(request, **credentials(request)) is None:
        return unknown()
    return named(await request.auser())


@wrong_login("logs_in", "the login worked, as a GET shows")
async def names_the_user_of_before(request):
    before = await request.auser()
    answer = await finish(request, await aauthenticate(request, **credentials(request)))
    return answer if answer.status_code == 401 else named(before)


@known_answer("login_session", breaks="knows_three_methods", says="expected 405")
async def logs_in_with_every_other_method(request):
    if request.method in ("GET", "DELETE"):
        return await rest_of_the_session(request)
    return await finish(request, await aauthenticate(request, **credentials(request)))


NAMES = {}


@known_answer("login_session", breaks="says_who_is_there", says="is called")
async def remembers_names(request):
    if request.method == "GET":
        user = await request.auser()
        return JsonResponse({"traveller": NAMES.setdefault(user.pk, user.username) or None})
    return await logs_in_well(request)


current = {}


@known_answer("login_session", breaks="logs_in_several_at_once", says="got")
async def keeps_the_request_in_the_module(request):
    current.update(request=request)
    await asyncio.sleep(0.02)
    return await LoginSession.as_view()(current["request"])


@wrong_login("logs_in", "every letter and every space counts")
async def strips_the_password(request):
    sent = credentials(request)
    return await finish(
        request, await aauthenticate(request, username=sent["username"], password=sent["password"].strip())
    )


@known_answer("login_session", breaks="logs_out", says="who is not logged in, and has made a wish")
async def logs_out_only_who_is_logged_in(request):
    if request.method == "DELETE" and (await request.auser()).is_anonymous:
        return JsonResponse({"traveller": None})
    return await logs_in_well(request)


@known_answer(
    "login_session", breaks="knows_three_methods", says="a header Allow that names DELETE and GET and POST"
)
async def forgets_a_method_in_allow(request):
    if request.method not in ("GET", "POST", "DELETE"):
        return HttpResponseNotAllowed(["GET", "POST"])
    return await LoginSession.as_view()(request)


@known_answer("login_session", breaks="says_who_is_there", says="has another password")
async def believes_the_key_in_the_session(request):
    if request.method == "GET":
        key = await request.session.aget("_auth_user_id")
        user = await User.objects.filter(pk=key, is_active=True).afirst() if key else None
        return JsonResponse({"traveller": user and user.username})
    return await LoginSession.as_view()(request)


@known_answer("login_session", breaks="refuses_wrong_credentials", says="got 200")
async def finds_the_name_in_any_case(request):
    if request.method == "POST":
        sent = credentials(request)
        known = await User.objects.filter(username__iexact=sent["username"]).afirst()
        name = known.username if known else sent["username"]
        user = await aauthenticate(request, username=name, password=sent["password"])
        if user is None:
            return unknown()
        await alogin(request, user)
        return named(user)
    return await LoginSession.as_view()(request)


@known_answer(
    "login_session",
    breaks="keeps_the_session_at_login",
    says="all that it held",
    because="the session loses everything that it held, and `alogin` alone",
)
async def keeps_the_wish_alone(request):
    wish = await request.session.aget("wish")
    if request.method == "POST":
        credentials(request)
        await request.session.aflush()
        await request.session.aset("wish", wish)
    return await LoginSession.as_view()(request)


@known_answer(
    "login_session",
    breaks="knows_three_methods",
    says="REPORT",
    because="the view served REPORT as one of its own methods",
)
async def reads_with_a_method_that_nobody_thought_of(request):
    if request.method in ("GET", "POST", "DELETE", "PUT", "PATCH"):
        return await LoginSession.as_view()(request)
    return named(await request.auser())


EQUAL_MUTANTS = {
    "arg removal: user = await sync_to_async(authenticate)(request, **credentials) → …": "the request is for backends "
    "that look at it, which the agency has none of",
}
