import asyncio
import traceback
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ObjectDoesNotExist
from django.test import override_settings
from django.utils.datastructures import MultiValueDictKeyError

from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up

from ..shared import expect, expect_405, sent

WRONG = {"error": "wrong username or password"}


login_session = Task(
    "login_session",
    beside="logs_in_several_at_once",
    routes=["session/"],
    settings={"PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"]},
    hints=(
        "Which of the two steps of a login looks at the password, and which writes into the session?",
        "`aauthenticate` gives a user or None, and logs nobody in. `alogin` and `alogout` do the rest; each needs its "
        "`await`. A body that is no JSON object with two texts is answered before that.",
        "`user = await aauthenticate(request, username=username, password=password)`; None is a 401; otherwise "
        "`await alogin(request, user)`. For DELETE `await alogout(request)`, for GET `await request.auser()`",
    ),
    praise="Right: first the credentials, then the session, and the client never chooses which arguments Django gets. "
    "`sync_to_async(authenticate)` leaves the loop free in every version while it hashes; `aauthenticate` does from 6.1 on.",
)


async def new_user(password: str = "", *, name: str = "", **fields: Any) -> str:
    """Make a user that no answer can know, and return the name."""
    user = await User.objects.acreate(
        username=name or made_up("traveller"), password=make_password(password or None), **fields
    )
    return user.username


async def user_in(trial: Trial) -> str | None:
    """The key of the user in the trial's session, or None."""
    cookie = trial.cookies.get(settings.SESSION_COOKIE_NAME)
    return (await SessionStore(cookie).aload()).get(SESSION_KEY) if cookie else None


async def log_in(trial: Trial, username: Any, password: Any, **more: Any) -> tuple[Reply, dict[str, str]]:
    body = {"username": username, "password": password, **more}
    return await sent(trial, "POST", "/session/", json=body)


async def expect_nobody(trial: Trial) -> None:
    reply, words = await sent(trial, "GET", "/session/")
    expect(reply, json={"traveller": None}, **words)


WHO = {"because": "a user who is not logged in has the empty name", "next": "`user.username or None`"}


@login_session.requirement(
    'answers `GET /session/` with `{"traveller": "ada"}` when Ada is logged in, and with `{"traveller": null}` for a '
    "visitor who is not, or is no longer: a new password ends the login, and so does an account that is not active any more"
)
async def says_who_is_there(trial: Trial) -> None:
    reply, words = await sent(trial, "GET", "/session/")
    empty = reply.value is not None and reply.text == '{"traveller": ""}'
    expect(reply, json={"traveller": None}, **(WHO if empty else words))
    name, later = await new_user(), made_up("traveller")
    await trial.log_in(name)
    reply, words = await sent(trial, "GET", "/session/")
    expect(reply, json={"traveller": name}, **words)
    await User.objects.filter(username=name).aupdate(username=later)
    reply, words = await sent(trial, "GET", "/session/")
    reply.sent += f"   now that {name} is called {later}"
    expect(reply, json={"traveller": later}, **words)
    for ended, why in (
        ({"password": make_password(made_up("traveller"))}, "has another password"),
        ({"is_active": False}, "is not active any more"),
    ):
        await expect_nobody_after(Trial(trial.answer, trial.task), ended, why)


async def expect_nobody_after(trial: Trial, ended: dict[str, Any], why: str) -> None:
    """Refuse unless a GET names nobody when this change of the account has ended the login."""
    name = await new_user()
    await trial.log_in(name)
    await User.objects.filter(username=name).aupdate(**ended)
    reply, words = await sent(trial, "GET", "/session/")
    reply.sent += f"   now that {name} {why}"
    expect(reply, json={"traveller": None}, **words)


@login_session.requirement(
    'logs in on `POST /session/` with `{"username": "ada", "password": "engine"}`, and answers 200 '
    '`{"traveller": "ada"}`; the next GET says the same'
)
async def logs_in(trial: Trial) -> None:
    long = "-".join(made_up("Ada") for _ in range(10))
    credentials = {made_up("traveller"): made_up("traveller"), long: f" {made_up('traveller')} "}
    for name, password in credentials.items():
        await new_user(password, name=name)
        reply, words = await log_in(trial, name, password)
        expect(
            reply,
            json={"traveller": name},
            **(words or await why_not_logged_in(trial, reply, name, password)),
        )
        reply, _ = await sent(trial, "GET", "/session/")
        expect(reply, json={"traveller": name}, **(words or await nobody_in_session(trial)))


@login_session.requirement("logs in several travellers at the same moment, each as themselves")
async def logs_in_several_at_once(trial: Trial) -> None:
    password = made_up("traveller")
    visitors = {await new_user(password): Trial(trial.answer, trial.task) for _ in range(3)}
    replies = await asyncio.gather(
        *(
            visitor.post("/session/", json={"username": name, "password": password})
            for name, visitor in visitors.items()
        )
    )
    for reply, (name, visitor) in zip(replies, visitors.items(), strict=True):
        reply.sent += "   while two others log in"
        expect(reply, json={"traveller": name})
        expect(await visitor.get("/session/"), json={"traveller": name})


async def nobody_in_session(trial: Trial) -> dict[str, str]:
    """Words for a session that the login has not reached."""
    if await user_in(trial):
        return {}
    return {
        "because": "the POST before this one answered, and the session does not hold the user",
        "next": "await alogin(request, user)",
    }


async def why_not_logged_in(trial: Trial, reply: Reply, name: str, password: str) -> dict[str, str]:
    """Words for right credentials that were refused, or answered with somebody else's name."""
    if isinstance(reply.error, MultiValueDictKeyError) or reply.status in (400, 401):
        form = {"username": name, "password": password}
        if (await trial.post("/session/", data=form)).status == 200:
            return {
                "because": "the same credentials are taken from a form, and this body is JSON",
                "next": "`json.loads(request.body)`, and its two texts to `aauthenticate`",
            }
        return {
            "because": "these credentials are right, as they were sent: every letter and every space counts"
        }
    if reply.status != 200:
        return {}
    following, _ = await sent(trial, "GET", "/session/")
    if following.value is not None and following._body_as_json() == {"traveller": name}:
        return named_old_user("the login worked, as a GET shows", "the user that `aauthenticate` gave")
    return await nobody_in_session(trial)


def named_old_user(what_worked: str, right: str) -> dict[str, str]:
    return {
        "because": f"{what_worked}, and this answer names the user of before it; on Django 5.2 `auser()` does so "
        "when it was asked earlier",
        "next": f"answer with {right}, or ask `await aget_user(request)`",
    }


@login_session.requirement(
    'answers 401 `{"error": "wrong username or password"}` when the password is wrong, when nobody has that name, and '
    "when the account is not active, and logs nobody in"
)
async def refuses_wrong_credentials(trial: Trial) -> None:
    password = made_up("traveller")
    first, email = made_up("Mary"), f"{made_up('mary')}@example.com"
    name, gone = (
        await new_user(password, first_name=first, email=email),
        await new_user(password, is_active=False),
    )
    for username, guess in (
        (name, made_up("traveller")),
        (first, password),
        (email, password),
        (made_up("traveller"), password),
        (name.upper(), password),
        (gone, password),
    ):
        reply, words = await log_in(trial, username, guess)
        expect(reply, 401, json=WRONG, **(words or no_user(reply)))
        await expect_nobody(trial)
    await log_in(trial, name, password)
    await User.objects.filter(username=name).aupdate(password=make_password(made_up("traveller")))
    reply, words = await log_in(trial, name, password)
    reply.sent += "   now that the password is another one"
    expect(reply, 401, json=WRONG, **words)


def no_user(reply: Reply) -> dict[str, str]:
    """Words for an answer that went on without a user."""
    if isinstance(reply.error, ObjectDoesNotExist) and frame_named(reply.error, "aget"):
        return {
            "because": "`aget` raises when there is no such row, and the traveller gets a 500",
            "next": "leave the look-up to `aauthenticate`: it gives None for both",
        }
    if reply.error is not None and frame_named(reply.error, "alogin"):
        return {
            "because": "`aauthenticate` gives None for wrong credentials, and None was logged in",
            "next": "`if user is None:` before `alogin`",
        }
    if isinstance(reply.error, AttributeError) and "'NoneType' object has no attribute 'username'" in str(
        reply.error
    ):
        return {"because": "`aauthenticate` gives None for wrong credentials", "next": "`if user is None:`"}
    return {}


def frame_named(error: BaseException, name: str) -> bool:
    return name in [frame.name for frame in traceback.extract_tb(error.__traceback__)]


NO_CREDENTIALS = (
    {"content": "username=ada"},
    {"content": b"\xff\xfe"},
    {"content": b"\xe9t\xe9"},
    {"json": ["ada", "engine"]},
    {"json": "ada"},
    {"json": None},
    {"json": {}},
    {"json": {"username": "ada"}},
    {"json": {"password": "engine"}},
    {"json": {"username": ["ada"], "password": "engine"}},
    {"json": {"username": "ada", "password": 7}},
)


@login_session.requirement(
    "answers 400 when the body is not JSON, when it is JSON but no object, such as `[1]`, and when its username or "
    "its password is missing or no text"
)
async def refuses_bad_bodies(trial: Trial) -> None:
    for body in NO_CREDENTIALS:
        reply, words = await sent(trial, "POST", "/session/", **body)
        expect(reply, 400, **(words or unguarded(reply)))
    await expect_nobody(trial)


def unguarded(reply: Reply) -> dict[str, str]:
    """Words for an error that the view lets through."""
    if not isinstance(reply.error, (ValueError, KeyError, TypeError, AttributeError)):
        return {}
    return {
        "because": f"`{type(reply.error).__name__}` reaches Django, which answers 500 to what it does not know"
    }


class TrustsTheCaller(BaseBackend):
    """A backend for code that knows who is asking, as `RemoteUserBackend` is one; a client must not reach it."""

    def authenticate(self, request: Any, trusted: str | None = None, **credentials: Any) -> Any:
        return User.objects.filter(username=trusted).first()


TRUSTING = ["django.contrib.auth.backends.ModelBackend", f"{__name__}.TrustsTheCaller"]


@login_session.requirement(
    "hands the username and the password to Django, and nothing else of the body: a client that sends more arguments "
    "gets the same 401, and logs nobody in"
)
async def chooses_the_arguments(trial: Trial) -> None:
    name = await new_user(made_up("traveller"))
    for more in ({"trusted": name}, {"request": 1}):
        with override_settings(AUTHENTICATION_BACKENDS=TRUSTING):
            reply, words = await log_in(trial, name, made_up("traveller"), **more)
            chosen = {
                "because": "the client chose an argument of `aauthenticate`, which goes to every backend that takes it: "
                "with one such as `RemoteUserBackend` no password is needed"
            }
            let_through = reply.status == 200 or isinstance(reply.error, TypeError)
            expect(reply, 401, json=WRONG, **(words or (chosen if let_through else {})))
            await expect_nobody(trial)


async def visitor_with_a_wish(trial: Trial, wish: str) -> str:
    """Give the trial a session that holds a wish, and return its key."""
    session = SessionStore()
    await session.aset("wish", wish)
    await session.aset(wish, "held as well")
    await session.acreate()
    trial.set_cookie(settings.SESSION_COOKIE_NAME, session.session_key)
    return session.session_key


@login_session.requirement(
    "keeps what the visitor's session held before the login, such as a wish, and gives the session a new key"
)
async def keeps_the_session_at_login(trial: Trial) -> None:
    password, wish = made_up("traveller"), made_up("traveller")
    name = await new_user(password)
    key = await visitor_with_a_wish(trial, wish)
    reply, words = await log_in(trial, name, password)
    expect(reply, json={"traveller": name}, **words)
    new = trial.cookies.get(settings.SESSION_COOKIE_NAME)
    reply.expect_that(new != key, "a cookie with another session key", got="the key of before the login")
    held = await SessionStore(new).aload() if new else {}
    reply.expect_that(
        held.get("wish") == wish and held.get(wish) == "held as well",
        f"a session that still holds all that it held, 'wish' and {wish!r}",
        got=f"a session with {sorted(held)}",
        because="the session loses everything that it held, and `alogin` alone keeps it and changes the key",
    )


@login_session.requirement(
    'logs out on `DELETE /session/`, and answers `{"traveller": null}`; the next GET says the same, and everything '
    "that the session held is gone"
)
async def logs_out(trial: Trial) -> None:
    name = await new_user()
    await trial.log_in(name)
    key, wish = trial.cookies.get(settings.SESSION_COOKIE_NAME), made_up("traveller")
    session = SessionStore(key)
    await session.aset("wish", wish)
    await session.asave()
    reply, words = await sent(trial, "DELETE", "/session/")
    expect(reply, json={"traveller": None}, **(words or await why_not_logged_out(trial, reply, name)))
    following, _ = await sent(trial, "GET", "/session/")
    expect(following, json={"traveller": None}, **words)
    new = trial.cookies.get(settings.SESSION_COOKIE_NAME)
    left = {**await SessionStore(key).aload(), **(await SessionStore(new).aload() if new else {})}
    reply.expect_that(
        wish not in left.values() and SESSION_KEY not in left,
        "nothing left of the session",
        got=f"a session with {sorted(left)}",
        because="what the session held stayed for whoever comes next",
        next="await alogout(request)",
    )
    await expect_no_wish_left(Trial(trial.answer, trial.task))


async def expect_no_wish_left(visitor: Trial) -> None:
    """Refuse unless a DELETE empties the session of a visitor who is not logged in, too."""
    wish = made_up("traveller")
    key = await visitor_with_a_wish(visitor, wish)
    reply, words = await sent(visitor, "DELETE", "/session/")
    reply.sent += "   of a visitor who is not logged in, and has made a wish"
    expect(reply, json={"traveller": None}, **words)
    new = visitor.cookies.get(settings.SESSION_COOKIE_NAME)
    left = {**await SessionStore(key).aload(), **(await SessionStore(new).aload() if new else {})}
    reply.expect_that(
        wish not in left and wish not in left.values(),
        "nothing left of the session",
        got=f"a session with {sorted(left)}",
    )


async def why_not_logged_out(trial: Trial, reply: Reply, name: str) -> dict[str, str]:
    if reply.value is not None and reply._body_as_json() == {"traveller": name} and not await user_in(trial):
        return named_old_user("the logout worked", "nobody, `None`")
    return {}


@login_session.requirement("answers 405 to every other method")
async def knows_three_methods(trial: Trial) -> None:
    body = {"username": "ada", "password": "engine"}
    await expect_405(
        trial, "/session/", "PUT", "PATCH", "REPORT", allowed={"GET", "POST", "DELETE"}, json=body
    )
