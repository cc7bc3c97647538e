"""Every way in which a check calls an answer, seen as one: an adversary stands around each call.

Views, class-based views, middleware, ASGI applications, layers around them, functions and classes of a learner's own
are all wrapped by `around`, which leaves them what they are.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest

from .kept import Kept, KeptMessages, Send, dropped, kept

if TYPE_CHECKING:
    from .rehearsal import Rehearsal

inside: ContextVar[tuple[object, ...]] = ContextVar("inside", default=())
"""The adversaries that stand around the present call: what an answer calls of itself is no call of the check."""


class Call:
    """One call of a right answer.

    Args:
        kind: what a learner would call the same: the method of a request, or the function.
        asked: what tells this call from others: the method, path and body of a request, or the arguments.
        user: the cookies of the request, where it is one.
        make: calls the right answer.
    """

    lasts = False
    """Whether it lasts as long as the server: nobody waits for its answer."""

    def __init__(self, kind: Hashable, asked: Hashable, user: Hashable, make: Callable[[], Any]) -> None:
        self.kind, self.asked, self.user, self._make = kind, asked, user, make

    async def proceed(self) -> Any:
        """The right answer's own result."""
        return await self._make()

    def proceed_now(self) -> Any:
        """The result of an answer that is not async."""
        return self._make()

    async def kept(self) -> Kept:
        """Proceed, and keep what comes; its `live` is for this caller."""
        try:
            return kept(await self.proceed())
        except Exception as error:
            return Kept(error=error)

    def kept_now(self) -> Kept:
        """The same, for an answer that is not async."""
        try:
            return kept(self.proceed_now())
        except Exception as error:
            return Kept(error=error)

    async def unheard(self) -> None:
        """Proceed, and let nobody have what comes."""
        (await self.kept()).drop()

    async def give(self, other: Kept) -> Any:
        """Give this caller what another one got."""
        await other.settled()
        return other.again()

    def drop(self) -> None:
        """Do not proceed."""
        with suppress(Exception):
            dropped(self._make())


class ASGICall(Call):
    """A call whose answer is what it sends."""

    def __init__(self, application: Callable[..., Any], scope: Any, receive: Any, send: Send) -> None:
        shown = tuple(str(scope.get(name)) for name in ("type", "method", "path", "query_string"))
        super().__init__(shown[:2], shown, None, lambda: application(scope, receive, send))
        self.application, self.scope, self.receive, self.send = application, scope, receive, send
        self.lasts = scope["type"] == "lifespan"

    async def kept(self) -> KeptMessages:
        return await self._sending(self.send)

    async def unheard(self) -> None:
        async def nowhere(message: Any) -> None:
            pass

        await self._sending(nowhere)

    async def give(self, other: Kept) -> None:
        assert isinstance(other, KeptMessages)
        await other.play(self.send)

    async def _sending(self, send: Send) -> KeptMessages:
        result = KeptMessages()

        async def keep(message: Any) -> None:
            result.messages.append(dict(message))
            await send(message)

        try:
            await self.application(self.scope, self.receive, keep)
        except Exception as error:
            result.error = error
        return result

    def drop(self) -> None:
        pass


class Adversary:
    """Stands around every call of a right answer; each kind of adversary makes something else of it."""

    def can_act(self, heard: Rehearsal) -> bool:
        """Whether it ever differs from the right answer, in the calls that were heard in a rehearsal."""
        return True

    def meet(self, answer: Any) -> None:
        """Learn which answer it stands around."""

    async def call(self, call: Call) -> Any:
        """Answer a call of an async answer."""
        return await call.proceed()

    def plain_call(self, call: Call) -> Any:
        """Answer a call of an answer that is not async."""
        return call.proceed_now()


def around(answer: Any, adversary: Adversary) -> Any:
    """An answer of the same kind, with an adversary around each call."""
    adversary.meet(answer)
    return _class(answer, adversary) if inspect.isclass(answer) else _callable(answer, adversary)


def _callable(answer: Any, adversary: Adversary) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        return _called(answer, "", args, kwargs, adversary)

    async def async_call(*args: Any, **kwargs: Any) -> Any:
        return await _called(answer, "", args, kwargs, adversary)

    chosen = async_call if is_async(answer) else call
    functools.update_wrapper(chosen, answer)
    return chosen


def _class(answer: type, adversary: Adversary) -> type:
    def method(name: str) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            right = getattr(super(made, self), name)
            return _called(right, name, args, kwargs, adversary)

        async def async_call(self: Any, *args: Any, **kwargs: Any) -> Any:
            return await call(self, *args, **kwargs)

        chosen = async_call if iscoroutinefunction(getattr(answer, name)) else call
        return functools.wraps(getattr(answer, name))(chosen)

    # Trap: the proofs find the learner's code by the module of a class, and by the first function in it.
    own = {
        "__module__": answer.__module__,
        "__qualname__": answer.__qualname__,
        "right": next((f for f in vars(answer).values() if inspect.isfunction(f)), None),
    }
    methods = {name: method(name) for name in called_methods(answer)}
    made: type = type(answer)(answer.__name__, (answer,), own | methods)
    return made


def called_methods(answer: type) -> list[str]:
    """The methods by which a check, or Django, calls an instance of this class."""
    for name in ("dispatch", "__call__"):
        if inspect.isfunction(getattr(answer, name, None)):
            return [name]
    names = [name for name in dir(answer) if not name.startswith("_")]
    return [name for name in names if iscoroutinefunction(getattr(answer, name))]


def is_async(answer: Any) -> bool:
    """Whether a call of this gives something to await, as far as can be said without calling it."""
    return iscoroutinefunction(answer) or iscoroutinefunction(type(answer).__call__)


def _called(right: Any, name: str, args: Any, kwargs: Any, adversary: Adversary) -> Any:
    """What the adversary makes of a call."""
    if adversary in inside.get():
        return right(*args, **kwargs)
    if len(args) == 3 and isinstance(args[0], dict) and "type" in args[0]:
        return _awaited(adversary, ASGICall(right, *args))
    if args and callable(args[0]) and not is_async(right) and name != "dispatch":
        return around(right(*args, **kwargs), adversary)  # makes a layer, or middleware
    made = _attempted(right, args, kwargs)
    request = _request(args)
    call = Call((name, request and request.method), (name, *asked(args, kwargs)), user(args), made)
    if inspect.isawaitable(made.value):
        return _awaited(adversary, call)
    with _inside(adversary):
        return adversary.plain_call(call)


async def _awaited(adversary: Adversary, call: Call) -> Any:
    with _inside(adversary):
        return await adversary.call(call)


@contextmanager
def _inside(adversary: Adversary) -> Iterator[None]:
    token = inside.set((*inside.get(), adversary))
    try:
        yield
    finally:
        with suppress(ValueError):  # a call that nobody ended is closed in another context
            inside.reset(token)


class _Attempt:
    """A call that was made: calling this gives its result, or raises its error."""

    def __init__(self) -> None:
        self.value: Any = None
        self.error: Exception | None = None

    def __call__(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


def _attempted(right: Any, args: Any, kwargs: Any) -> _Attempt:
    attempt = _Attempt()
    try:
        attempt.value = right(*args, **kwargs)
    except Exception as error:
        attempt.error = error
    return attempt


def asked(args: Any, kwargs: Any) -> tuple[Hashable, ...]:
    """What a caller asked for: of a request its method, path and body, of all else the arguments."""
    if request := _request(args):
        return request.method, request.get_full_path(), _body(request)
    return (*map(_shown, args), *((name, _shown(value)) for name, value in sorted(kwargs.items())))


def user(args: Any) -> Hashable:
    """Who asked: the cookies of a request."""
    request = _request(args)
    return tuple(sorted(request.COOKIES.items())) if request else None


def _request(args: Any) -> HttpRequest | None:
    return next((value for value in args if isinstance(value, HttpRequest)), None)


def _body(request: HttpRequest) -> bytes:
    # Not `request.body`, which refuses what is larger than a form may be, and keeps a copy.
    stream = getattr(request, "_stream", None)
    if stream is None or not getattr(stream, "seekable", lambda: False)():
        return b""
    place = stream.tell()
    stream.seek(0)
    body: bytes = stream.read()
    stream.seek(place)
    return body


def _shown(value: Any) -> str:
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", repr(value))
