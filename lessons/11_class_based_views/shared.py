import re
import traceback
from datetime import date
from random import randint
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation

from tutorial_project.checks import Refusal, Reply
from tutorial_project.checks.kinds.made_up import made_up
from tutorial_project.trips.models import Destination, Trip


async def made_up_trip(**fields: Any) -> Trip:
    """A trip on sale, to a destination of its own, with some seats left."""
    name = made_up("island")
    place = await Destination.objects.acreate(name=name.title(), slug=name, country="Maldives")
    known = {"destination": place, "title": made_up("trip").title(), "departs": date(2027, 5, 1)}
    known |= {"nights": 2, "price": 300, "seats": 20, "seats_left": randint(3, 9)}
    return await Trip.objects.acreate(**known | fields)


async def made_up_traveller(**fields: Any) -> User:
    """A user whom nobody knows yet."""
    return await User.objects.acreate(username=made_up("traveller"), **fields)


async def expect_405(reply: Reply, allowed: set[str]) -> None:
    """Refuse unless the method was refused, and the allowed ones are named."""
    expected = f"405 with {' and '.join(sorted(allowed))} in the header Allow"
    explain_the_guard(reply, expected)
    reply.expect_that(reply.status == 405, expected)
    allow = reply.response.headers.get("Allow", "")
    named = {method.strip() for method in allow.split(",")}
    reply.expect_that(allowed <= named, expected, got=f"405  Allow: {allow}")


def explain_the_guard(reply: Reply, expected: str) -> None:
    """Refuse the errors of a guard that is sync, with their cause; pass over everything else."""
    because = step = None
    if (
        isinstance(reply.error, TypeError)
        and "Response" in str(reply.error)
        and awaited_by_django(reply.error)
    ):
        because = (
            "the handlers are async, so Django awaits what comes back; something sync around them, such as "
            "`dispatch`, answered with a response"
        )
        step = "decorate an `async def dispatch`, or answer in one"
    elif isinstance(reply.error, SynchronousOnlyOperation) and passes_through(reply, "auth/middleware"):
        because = "`request.user` asks the database for the session and the user, in the event loop"
        step = "`await request.auser()`"
    elif isinstance(reply.error, AttributeError) and passes_through(reply, "auth/decorators"):
        because = "a decorator for functions took `self` for the request"
        step = "`@method_decorator(login_required)`"
    elif lost_on_the_way(reply):
        because, step = NOT_HANDED_ON["because"], NOT_HANDED_ON["next"]
    refuse_because(reply, expected, because, step)


NOT_HANDED_ON = {
    "because": "what the URL holds did not go through `dispatch`",
    "next": "take `*args, **kwargs` and give both to `super().dispatch`",
}


NOT_CALLED_SO = re.compile(
    r"\b(dispatch|setup|get|post|put|patch|delete|head)\(\) (got an unexpected|got multiple|missing|takes) "
)
"""What Python says of a call whose arguments a handler does not take, and not of any other call in it."""


def lost_on_the_way(reply: Reply) -> bool:
    """Whether a handler was called without what the URL holds, or `dispatch` does not take it."""
    return isinstance(reply.error, TypeError) and bool(NOT_CALLED_SO.search(str(reply.error)))


def explain_the_relation(reply: Reply, expected: str, name: str, step: str | None) -> None:
    """Refuse an error that comes from reading a relation which was not fetched; pass over everything else."""
    lazy = isinstance(reply.error, SynchronousOnlyOperation) and passes_through(reply, "related_descriptors")
    because = f"the {name} was not fetched: reading it asks the database, in the event loop"
    refuse_because(reply, expected, because if lazy else None, step)


def explain_what_was_left_out(reply: Reply, expected: str) -> None:
    """Refuse an error that comes from reading a field which the query has left out; pass over everything else."""
    deferred = isinstance(reply.error, SynchronousOnlyOperation) and passes_through(reply, "query_utils")
    because = "the query has left out a field: reading it asks the database, in the event loop"
    refuse_because(reply, expected, because if deferred else None, "fetch the whole row")


def refuse_because(reply: Reply, expected: str, because: str | None, step: str | None) -> None:
    if because:
        raise Refusal(
            sent=reply.sent, expected=expected, got=reply.got, because=because, next=step
        ) from reply.error


def files_of(error: BaseException) -> list[str]:
    """The files of the traceback, from the outermost on."""
    return [frame.filename.replace("\\", "/") for frame in traceback.extract_tb(error.__traceback__)]


AWAIT_THE_VIEW = ("django/core/handlers/base.py", "tutorial_project/checks/beside.py")
"""Django's handler, and the check in its place."""


def awaited_by_django(error: BaseException) -> bool:
    """Whether the `await` that failed is the one of the whole view, and none of the answer's own."""
    return files_of(error)[-1].endswith(AWAIT_THE_VIEW)


def passes_through(reply: Reply, part: str) -> bool:
    return any(part in file for file in files_of(reply.error))
