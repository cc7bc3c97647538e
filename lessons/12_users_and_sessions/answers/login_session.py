import json

import django
from asgiref.sync import sync_to_async
from django.contrib.auth import aauthenticate, aget_user, alogin, alogout, authenticate, login
from django.contrib.auth.models import User
from django.http import JsonResponse
from django.views import View

from tutorial_project.checks import known_answer


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
