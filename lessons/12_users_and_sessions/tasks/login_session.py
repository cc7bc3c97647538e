import traceback

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ObjectDoesNotExist

from tutorial_project.checks import Reply, Task, Trial

from ..shared import expect, sent


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
