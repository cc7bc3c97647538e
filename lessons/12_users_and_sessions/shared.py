import re
import traceback
import warnings
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from django.utils.datastructures import MultiValueDictKeyError

from tutorial_project.checks import Refusal, Reply, Trial

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


async def expect_405(trial: Trial, path: str, *methods: str, allowed: set[str], **request: Any) -> None:
    """Refuse unless each of these methods is answered with 405."""
    for method in methods:
        reply, words = await sent(trial, method, path, **request)
        served = reply.status is not None and reply.status < 300
        expect(reply, 405, **(words or (went_on(method) if served else {})))
        expect_right_allow(reply, allowed)


def expect_right_allow(reply: Reply, allowed: set[str]) -> None:
    """Refuse a header `Allow` that leaves out a method which the view has; the header itself is not asked for."""
    allow = reply.response.headers.get("Allow", ", ".join(allowed))
    reply.expect_that(
        allowed <= set(allow.split(", ")),
        f"405, and a header Allow that names {' and '.join(sorted(allowed))}",
        got=f"405  Allow: {allow}",
    )


def went_on(method: str) -> dict[str, str]:
    """Words for a view that has served a method which it should refuse."""
    return {
        "because": f"the view served {method} as one of its own methods",
        "next": "refuse every method that it does not know, as `@require_http_methods([…])` does",
    }
