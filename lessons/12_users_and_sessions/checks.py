import re
import traceback
import warnings
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ObjectDoesNotExist, SynchronousOnlyOperation
from django.test import override_settings
from django.utils.datastructures import MultiValueDictKeyError

from tutorial_project.classroom.checks import Refusal, Reply, Task, Trial
from tutorial_project.trips.models import Trip

COOKIE_SESSIONS = "django.contrib.sessions.backends.signed_cookies"
"""Sessions that are read without a database: what is wrong with them there is not a matter of async."""

SYNC_ONLY = (
    # (file, names of functions, cause, next step); the first frame that fits is what the answer called
    (
        "auth/middleware.py",
        "get_user",
        "`request.user` reads the user from the database, in the event loop",
        "user = await request.auser()",
    ),
    (
        "auth/__init__.py",
        "authenticate login logout",
        "`{}` reads and writes the database, in the event loop",
        "await a{}(…)",
    ),
    (
        "auth/models.py",
        "has_perm has_perms has_module_perms get_all_permissions get_user_permissions",
        "`{}` reads the permissions from the database, in the event loop",
        "await user.a{}(…)",
    ),
    (
        "sessions/backends/base.py",
        "_get_session",
        "`request.session[…]` reads the session from the database, in the event loop",
        "await request.session.aget(…)",
    ),
)


def sync_call(reply: Reply) -> dict[str, str]:
    """The cause and the next step, when a sync call was refused, or JSON was looked for among form fields."""
    if isinstance(reply.error, MultiValueDictKeyError):
        return {
            "because": "`request.POST` holds the fields of a form, and this body is JSON",
            "next": "`json.loads(request.body)`",
        }
    if not isinstance(reply.error, SynchronousOnlyOperation):
        return {}
    for frame in traceback.extract_tb(reply.error.__traceback__):
        for file, names, because, step in SYNC_ONLY:
            if frame.filename.replace("\\", "/").endswith(file) and frame.name in names.split():
                return {"because": because.format(frame.name), "next": step.format(frame.name)}
    return {}


async def sent(trial: Trial, method: str, path: str, **request: Any) -> tuple[Reply, dict[str, str]]:
    """The reply to a request, with the words about a coroutine that was thrown away meanwhile."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", RuntimeWarning)
        reply = await trial.request(method, path, **request)
    for warning in heard:
        if found := re.match(r"coroutine '(?:\w+\.)*(\w+)' was never awaited", str(warning.message)):
            name = found[1]
            because = f"`{name}` was called and not awaited: it never ran, and a coroutine counts as true"
            return reply, {"because": because, "next": f"put `await` before `{name}(…)`"}
    return reply, {}


def expect(reply: Reply, status: int = 200, **words: Any) -> None:
    """As `reply.expect`, and say which sync call was refused."""
    try:
        reply.expect(status, **words)
    except Refusal as refusal:
        if known := sync_call(reply):
            if "/wish-list/" in reply.sent:
                known = {
                    "because": known["because"].replace("[…]", '["wish_list"]'),
                    "next": known["next"].replace("aget(…)", 'aget("wish_list", [])'),
                }
            parts = {"sent": refusal.sent, "expected": refusal.expected, "got": refusal.got}
            raise Refusal(**parts, **known) from reply.error
        raise


async def give_password(username: str, password: str) -> None:
    await User.objects.filter(username=username).aupdate(password=make_password(password))


login_session = Task(
    "login_session",
    routes=["session/"],
    settings={"PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"]},
    hints=(
        "Which of the two steps of a login looks at the password, and which writes into the session?",
        "`aauthenticate` gives a user or None, and logs nobody in. `alogin` and `alogout` do the rest; each needs its `await`.",
        "`user = await aauthenticate(request, **json.loads(request.body))`; None is a 401; otherwise "
        "`await alogin(request, user)`. For DELETE `await alogout(request)`, for GET `await request.auser()`",
    ),
    praise="Right: first the credentials, then the session. To answer with `await aget_user(request)` would do too; "
    "with `auser()` only from 6.0 on. `sync_to_async(authenticate)` would leave the loop free on 5.2 while it hashes.",
)

NOT_READ = {
    "because": "these credentials are right",
    "next": "the body is JSON: `**json.loads(request.body)` hands both to `aauthenticate`",
}
WHO = {"because": "a user who is not logged in has the empty name", "next": "`user.username or None`"}


@login_session.requirement(
    'answers `GET /session/` with `{"traveller": "ada"}` when Ada is logged in, and with `{"traveller": null}` for a '
    "visitor who is not"
)
async def says_who_is_there(trial: Trial) -> None:
    reply, words = await sent(trial, "GET", "/session/")
    empty = reply.value is not None and reply.text == '{"traveller": ""}'
    expect(reply, json={"traveller": None}, **(WHO if empty else words))
    await trial.log_in("ada")
    reply, words = await sent(trial, "GET", "/session/")
    expect(reply, json={"traveller": "ada"}, **words)


@login_session.requirement(
    'logs in on `POST /session/` with `{"username": "ada", "password": "engine"}`, and answers 200 '
    '`{"traveller": "ada"}`; the next GET says the same'
)
async def logs_in(trial: Trial) -> None:
    await give_password("ada", "engine")
    await give_password("grace", "compiler")
    for name, password in (("ada", "engine"), ("grace", "compiler")):
        reply, words = await sent(trial, "POST", "/session/", json={"username": name, "password": password})
        expect(
            reply, json={"traveller": name}, **(words or NOT_READ if reply.status == 401 else old_user(reply))
        )
        reply, _ = await sent(trial, "GET", "/session/")
        nobody = {
            "because": "the POST before this one answered, and the session does not hold the user",
            "next": "await alogin(request, user)",
        }
        expect(reply, json={"traveller": name}, **(words or nobody))


@login_session.requirement(
    'answers 401 `{"error": "wrong username or password"}` when the password is wrong and when nobody has that name, '
    "and logs nobody in"
)
async def refuses_wrong_credentials(trial: Trial) -> None:
    await give_password("ada", "engine")
    for name in ("ada", "nobody"):
        guess = {"username": name, "password": "guess"}
        reply, words = await sent(trial, "POST", "/session/", json=guess)
        expect(reply, 401, json={"error": "wrong username or password"}, **(words or no_user(reply)))
        reply, words = await sent(trial, "GET", "/session/")
        expect(reply, json={"traveller": None}, **words)


def no_user(reply: Reply) -> dict[str, str]:
    """Words for an answer that went on without a user."""
    if isinstance(reply.error, ObjectDoesNotExist):
        return {
            "because": "`aget` raises when there is no such row, and the traveller gets a 500",
            "next": "leave the look-up to `aauthenticate`: it gives None for both",
        }
    if reply.error is not None and frame_named(reply.error, "alogin"):
        return {
            "because": "`aauthenticate` gives None for wrong credentials, and None was logged in",
            "next": "`if user is None:` before `alogin`",
        }
    if isinstance(reply.error, AttributeError) and "'NoneType'" in str(reply.error):
        return {"because": "`aauthenticate` gives None for wrong credentials", "next": "`if user is None:`"}
    return {}


def frame_named(error: BaseException, name: str) -> bool:
    return name in [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def old_user(reply: Reply) -> dict[str, str]:
    """Words for a right status that names another user: the only source of it is the old one."""
    if reply.value is None or reply.status != 200:
        return {}
    return {
        "because": "the answer names the user of before; on Django 5.2 `auser()` remembers what it said earlier",
        "next": "answer with what you know, or ask `await aget_user(request)`",
    }


async def visitor_with_a_wish(trial: Trial) -> str:
    """Give the trial a session that holds a wish, and return its key."""
    session = SessionStore()
    await session.aset("wish", 7)
    await session.acreate()
    trial.set_cookie(settings.SESSION_COOKIE_NAME, session.session_key)
    return session.session_key


@login_session.requirement(
    "keeps what the visitor's session held before the login, such as a wish, and gives the session a new key"
)
async def keeps_the_session_at_login(trial: Trial) -> None:
    await give_password("ada", "engine")
    key = await visitor_with_a_wish(trial)
    reply, words = await sent(trial, "POST", "/session/", json={"username": "ada", "password": "engine"})
    expect(reply, json={"traveller": "ada"}, **words)
    new = trial.cookies.get(settings.SESSION_COOKIE_NAME)
    reply.expect_that(new != key, "a cookie with another session key", got="the key of before the login")
    held = await SessionStore(new).aload() if new else {}
    reply.expect_that(
        held.get("wish") == 7,
        "a session that still holds the wish",
        got=f"a session with {sorted(held)}",
        because="a session that is flushed loses everything, and `alogin` changes its key by itself",
    )


@login_session.requirement(
    'logs out on `DELETE /session/`, and answers `{"traveller": null}`; the next GET says the same, and everything '
    "that the session held is gone"
)
async def logs_out(trial: Trial) -> None:
    await trial.log_in("ada")
    key = trial.cookies.get(settings.SESSION_COOKIE_NAME)
    session = SessionStore(key)
    await session.aset("wish", 7)
    await session.asave()
    reply, words = await sent(trial, "DELETE", "/session/")
    expect(reply, json={"traveller": None}, **(words or old_user(reply)))
    following, _ = await sent(trial, "GET", "/session/")
    expect(following, json={"traveller": None}, **words)
    new = trial.cookies.get(settings.SESSION_COOKIE_NAME)
    left = {**await SessionStore(key).aload(), **(await SessionStore(new).aload() if new else {})}
    reply.expect_that(
        not left,
        "nothing left of the session",
        got=f"a session with {sorted(left)}",
        because="the user was taken out of the session, and the rest stayed for whoever comes next",
        next="await alogout(request)",
    )


wish_list = Task(
    "wish_list",
    routes=["wish-list/"],
    hints=(
        "When is the session's row read, and who waits for it then?",
        '`await request.session.aget("wish_list", [])` reads. What you changed has to be assigned again with `aset`.',
        '`wishes = await request.session.aget("wish_list", [])`, and for POST `if trip not in wishes: '
        'await request.session.aset("wish_list", [*wishes, trip])`',
    ),
    praise="Right: the row is read with an `await`, and the session sees the change. A new list given to `aset` does that, "
    "and so does a list changed in place with `request.session.modified = True`.",
)


async def add(trial: Trial, trip: int) -> tuple[Reply, dict[str, str]]:
    return await sent(trial, "POST", "/wish-list/", json={"trip": trip})


def wishes_in(reply: Reply) -> list[Any]:
    """The list that an answer tells; refuses when there is none."""
    if reply.error is not None:
        expect(reply, 201 if reply.sent.startswith("POST") else 200)
    told = reply.json
    usable = isinstance(told, dict) and isinstance(told.get("wish_list"), list)
    reply.expect_that(usable, '{"wish_list": […]}')
    return told["wish_list"]


@wish_list.requirement(
    'answers `GET /wish-list/` with `{"wish_list": […]}`: the trip ids in the order in which they were added, empty '
    "at first"
)
async def answers_in_order(trial: Trial) -> None:
    added = [41, 7, 3, 20]
    with override_settings(SESSION_ENGINE=COOKIE_SESSIONS):
        expect((await sent(trial, "GET", "/wish-list/"))[0], json={"wish_list": []})
        replies = [(await add(trial, trip))[0] for trip in added]
        told = [wishes_in(reply) for reply in replies]
        reply, words = await sent(trial, "GET", "/wish-list/")
        kept = wishes_in(reply)
        # Whether a trip was kept at all is the next requirement's matter, unless the POST says that it was.
        right = added if told[-1] == added and stored(replies[-1]) else [t for t in added if t in kept]
        expect(reply, json={"wish_list": right}, **(words or unordered(kept, right)))
        other, _ = await sent(Trial(trial.answer, trial.task), "GET", "/wish-list/")
        expect(other, json={"wish_list": []}, because="another traveller sees this one's wishes")


def unordered(kept: list[Any], right: list[Any]) -> dict[str, str]:
    if sorted(kept) == sorted(right):
        return {"because": "the order is lost: a set has none, and `sorted` makes another one"}
    return {}


def stored(reply: Reply) -> bool:
    """Whether the session was saved with this answer: only then the middleware sends its cookie."""
    return "set-cookie" in reply.response.headers


NOT_STORED = {
    "because": "the session was not saved: it sees what is assigned to it, and not a change inside of a list",
    "next": 'await request.session.aset("wish_list", wishes)',
}


@wish_list.requirement(
    'adds a trip on `POST /wish-list/` with `{"trip": 7}`, and answers 201 with the whole list'
)
async def adds_a_trip(trial: Trial) -> None:
    with override_settings(SESSION_ENGINE=COOKIE_SESSIONS):
        added, saved, missed = [], True, {}
        for trip in (7, 3):
            added.append(trip)
            reply, words = await add(trial, trip)
            expect(
                reply,
                201,
                json={"wish_list": added},
                **(missed or words or unsaved(saved) or forgot(reply, added)),
            )
            saved, missed = saved and stored(reply), missed or words
        reply, words = await sent(trial, "GET", "/wish-list/")
        expect(
            reply, json={"wish_list": added}, **(missed or words or unsaved(saved) or forgot(reply, added))
        )


def forgot(reply: Reply, added: list[int]) -> dict[str, str]:
    """Words for an answer without the trip that the answer before it told."""
    told = reply.json.get("wish_list") if reply.error is None and isinstance(reply.json, dict) else None
    if len(added) == 1 or not isinstance(told, list) or 7 in told:
        return {}
    return {
        "because": "the answer before this one told trip 7, and this one does not find it: the session keeps what "
        "is assigned to it",
        "next": NOT_STORED["next"],
    }


def unsaved(saved: bool) -> dict[str, str]:
    return {} if saved else NOT_STORED


@wish_list.requirement("keeps one when a trip is added twice")
async def keeps_one(trial: Trial) -> None:
    with override_settings(SESSION_ENGINE=COOKIE_SESSIONS):
        for trip in (3, 7, 7):
            reply, _ = await add(trial, trip)
        reply.expect_that(wishes_in(reply) == [3, 7], '{"wish_list": [3, 7]}')
        reply, _ = await sent(trial, "GET", "/wish-list/")
        expect(reply, json={"wish_list": [3, 7]})


@wish_list.requirement("gives the same answers to a traveller who has a session already")
async def serves_who_has_a_session(trial: Trial) -> None:
    expect((await add(trial, 3))[0], 201, json={"wish_list": [3]})
    reply, _ = await add(trial, 7)
    reply.sent += "   with the cookie of the first answer"
    expect(reply, 201, json={"wish_list": [3, 7]})
    reply, _ = await sent(trial, "GET", "/wish-list/")
    reply.sent += "   with the same cookie"
    expect(reply, json={"wish_list": [3, 7]})
    ada = Trial(trial.answer, trial.task)
    await ada.log_in("ada")
    reply, _ = await sent(ada, "GET", "/wish-list/")
    reply.sent += "   logged in as ada"
    expect(reply, json={"wish_list": []})
    expect((await add(ada, 7))[0], 201, json={"wish_list": [7]})


take_off_sale = Task(
    "take_off_sale",
    routes=["trips/<int:pk>/take-off-sale/"],
    hints=(
        "Four people press the button: a visitor, a traveller, staff without the permission, staff with it. What does each get?",
        "`permission_required` sends everybody to the login page, or answers 403 to everybody. Only one of the four has "
        "nothing but the login missing.",
        "`user = await request.auser()`; not `user.is_authenticated`: `redirect_to_login(…)`; not `user.is_staff`, or not "
        '`await user.ahas_perm("trips.change_trip")`: `raise PermissionDenied`; then `trip.active = False` and `await trip.asave()`',
    ),
    praise='Right: who is unknown may log in, and who is known is told no. `@login_required` above `@permission_required("trips.'
    'change_trip", raise_exception=True)` would do the same, with `is_staff` asked in the view.',
)

BUTTON = "/trips/7/take-off-sale/"


async def on_sale(pk: int) -> bool:
    return (await Trip.objects.aget(pk=pk)).active


async def become(username: str, *, staff: bool = False, may: bool = False) -> None:
    """Make a sample user staff or not, with the permission to change trips or without any."""
    await User.objects.filter(username=username).aupdate(is_staff=staff)
    user = await User.objects.aget(username=username)
    wanted = ["change_trip"] if may else []
    await user.user_permissions.aset([p async for p in Permission.objects.filter(codename__in=wanted)])


async def expect_refusal(trial: Trial, username: str, who: str) -> None:
    """Refuse unless the button answers 403 to this user, and leaves the trip on sale."""
    await trial.log_in(username)
    reply, words = await sent(trial, "POST", BUTTON)
    reply.sent += f"   logged in as {username}, {who}"
    circle = reply.status == 302
    if circle and not words:
        words = {
            "because": "who is logged in already is sent to log in, comes back, and is sent again",
            "next": "`raise PermissionDenied`, or `raise_exception=True` in `permission_required`",
        }
    expect(reply, 403, **words)
    reply.expect_that(
        await on_sale(7), "403, and trip 7 still on sale", got="403, and trip 7 off sale in the database"
    )


@take_off_sale.requirement(
    f"sends a visitor who is not logged in to the login page: 302 to `/accounts/login/?next={BUTTON}`"
)
async def sends_visitors_to_the_login(trial: Trial) -> None:
    reply, words = await sent(trial, "POST", BUTTON)
    expected = f"/accounts/login/?next={BUTTON}"
    if reply.status == 403 and not words:
        words = {
            "because": "403 is for who is known and may not; this visitor may have the permission, once logged in",
            "next": "`@login_required` above the other decorators, or `return redirect_to_login(…)` first",
        }
    expect(reply, 302, **words)
    place = unquote(reply.response.headers.get("location", ""))
    reply.expect_that(place == expected, f"302 to {expected}", got=f"302 to {place}")


@take_off_sale.requirement("answers 403 to Ada, a traveller who is logged in, and leaves the trip on sale")
async def refuses_travellers(trial: Trial) -> None:
    await expect_refusal(trial, "ada", "a traveller")


@take_off_sale.requirement("answers 403 to staff without the permission `trips.change_trip`")
async def refuses_staff_without_the_permission(trial: Trial) -> None:
    await become("grace", staff=True)
    await expect_refusal(trial, "grace", "staff without a permission")


@take_off_sale.requirement("answers 403 to a user with the permission `trips.change_trip` who is not staff")
async def refuses_who_is_not_staff(trial: Trial) -> None:
    await become("grace", may=True)
    await expect_refusal(trial, "grace", "not staff, with the permission")


@take_off_sale.requirement(
    "takes the trip off sale for Frances, staff with that permission, and answers 200 "
    '`{"trip": 7, "active": false, "by": "frances"}`'
)
async def takes_it_off_sale(trial: Trial) -> None:
    await trial.log_in("frances")
    reply, words = await sent(trial, "POST", BUTTON)
    reply.sent += "   logged in as frances"
    if reply.status == 403:
        words = {
            "because": "Frances is staff and has the permission `trips.change_trip`: its name begins with the app's",
            "next": 'await user.ahas_perm("trips.change_trip")',
        }
    expect(reply, json={"trip": 7, "active": False, "by": "frances"}, **words)
    words = words or {"next": "await trip.asave()"}
    reply.expect_that(
        not await on_sale(7), "trip 7 off sale in the database", got="trip 7 on sale in the database", **words
    )
    reply.expect_that(await on_sale(8), "trip 8 still on sale", got="trip 8 off sale in the database")


@take_off_sale.requirement("does the same for staff who has the permission from a group")
async def asks_groups_too(trial: Trial) -> None:
    await become("grace", staff=True)
    editors = await Group.objects.acreate(name="editors of the summer")
    await editors.permissions.aset([await Permission.objects.aget(codename="change_trip")])
    await editors.user_set.aset([await User.objects.aget(username="grace")])
    await trial.log_in("grace")
    reply, words = await sent(trial, "POST", BUTTON)
    reply.sent += "   logged in as grace, whose group has the permission"
    if reply.status == 403:
        words = {
            "because": "a permission comes from the user or from any of the user's groups",
            "next": 'await user.ahas_perm("trips.change_trip")',
        }
    expect(reply, json={"trip": 7, "active": False, "by": "grace"}, **words)


@take_off_sale.requirement(
    "answers 404 for a trip that does not exist, as in `POST /trips/7000/take-off-sale/`"
)
async def knows_no_trip_7000(trial: Trial) -> None:
    await trial.log_in("frances")
    reply, words = await sent(trial, "POST", "/trips/7000/take-off-sale/")
    if isinstance(reply.error, ObjectDoesNotExist):
        words = {
            "because": "`aget` raises when there is no such row, and Frances gets a 500",
            "next": "await aget_object_or_404(Trip, pk=pk)",
        }
    expect(reply, 404, **words)
