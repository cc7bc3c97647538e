"""Errors that the checks recognise, with their cause and the next step."""

from __future__ import annotations

import re

# (type name, pattern in the message, cause, next step); the first that fits is used.
KNOWN: tuple[tuple[str, str, str, str | None], ...] = (
    (
        "SynchronousOnlyOperation",
        "",
        "the database (or something else that is sync only) was used directly in the event loop",
        "use the a-method and await it, for example `await Trip.objects.acount()`, or wrap the sync code in `sync_to_async`",
    ),
    (
        "BlockingError",
        r"time\.sleep",
        "`time.sleep` holds the event loop: nothing else in this process moves until it ends",
        "`await asyncio.sleep(…)`",
    ),
    (
        "BlockingError",
        "",
        "a blocking call holds the event loop: nothing else in this process moves until it ends",
        "use an async library and await it, or move the call to a thread with `await asyncio.to_thread(…)`",
    ),
    (
        "TypeError",
        r"'Atomic' object does not support the asynchronous context manager protocol",
        "a transaction has no async form: it belongs to one connection, and that to one thread",
        "put the whole transaction into one sync function with `with transaction.atomic():`, and call it once: "
        "`await sync_to_async(function)(…)`",
    ),
    (
        "TransactionManagementError",
        "select_for_update cannot be used outside of a transaction",
        "a row lock lasts until its transaction ends, and no transaction is open here",
        "take the lock in the transaction that also writes: one sync function with `with transaction.atomic():`, "
        "called once: `await sync_to_async(function)(…)`",
    ),
    (
        "OperationalError",
        "deadlock detected",
        "deadlock: each of two transactions had locked a row that the other one waited for",
        "take the locks in one order everywhere, for example in the order of the keys",
    ),
    (
        "ImproperlyConfigured",
        "HTTP handlers must either be all sync or all async",
        "`as_view()` marks the whole class as async or as sync, and its handlers are of both kinds",
        "`async def` for all of them; sync code goes into a method: `await sync_to_async(self.method)(…)`",
    ),
    (
        "ImproperlyConfigured",
        "Middleware factory .* returned None",
        "the factory ended without a `return`: it makes a function for requests, and has to give it back",
        "return the inner function",
    ),
    (
        "ValueError",
        "unawaited coroutine",
        "the view gave back a coroutine: something was called and not awaited",
        "put `await` before the call whose result the view returns; a wrapper around an async view is `async def` too",
    ),
    (
        "ValueError",
        r"didn't return an HttpResponse object\. It returned None",
        "the view ended without a `return`",
        "return a response, for example `return JsonResponse(…)`",
    ),
    (
        "ValueError",
        "didn't return an HttpResponse object",
        "a view gives back a response object, and this one gave back something else",
        "return a response, for example `return JsonResponse(…)`",
    ),
    (
        "AttributeError",
        r"'(dict|list|str|int|float|bool|tuple|set|QuerySet|\w*Model|Trip|Booking)' object has no attribute "
        r"'(headers|status_code|has_header)'",
        "a view gives back a response object, and this one gave back something else",
        "return a response, for example `return JsonResponse(…)`",
    ),
    (
        "TypeError",
        "Object of type coroutine is not JSON serializable",
        "a coroutine was put into the answer: something was called and not awaited",
        "put `await` before the call whose result goes into the answer",
    ),
    (
        "TypeError",
        r"'coroutine' object|coroutine' and|object of type 'coroutine'|non-iterable coroutine",
        "a coroutine was used in place of its result: something was called and not awaited",
        "put `await` before the call",
    ),
    (
        "AttributeError",
        "'coroutine' object has no attribute",
        "a coroutine was used in place of its result: something was called and not awaited",
        "put `await` before the call, in parentheses: `(await …).attribute`",
    ),
    (
        "TypeError",
        r"object HttpResponse|object JsonResponse|'\w*Response' object can't be awaited",
        "`await` stands before a response that is there already: what makes it is not async",
        "call it without `await`",
    ),
    (
        "TypeError",
        "object QuerySet can't be used in 'await'|'QuerySet' object can't be awaited",
        "a QuerySet only builds a query: there is nothing to await yet",
        "`[row async for row in …]`, or await one of its a-methods",
    ),
    (
        "TypeError",
        "object SyncToAsync can't be used in 'await'|'SyncToAsync' object can't be awaited",
        "`sync_to_async(function)` is a function, and `await` stands before it: it was not called",
        "wrap, call, await: `await sync_to_async(function)(arguments)`",
    ),
    (
        "TypeError",
        "sync_to_async can only be applied to sync functions",
        "what `sync_to_async` was given is no sync function: it is the result of a call, or it is async already",
        "hand over the function itself, `await sync_to_async(function)(arguments)`; await directly what is async",
    ),
    (
        "TypeError",
        "can't be used in 'await' expression|object can't be awaited",  # before and from Python 3.14 on
        "`await` stands before something that is not awaitable",
        "call it without `await`, or use its async form",
    ),
    (
        "RuntimeError",
        "You cannot use AsyncToSync in the same thread as an async event loop",
        "`async_to_sync` was called where an event loop is running already",
        "await the async function directly",
    ),
    (
        "RuntimeError",
        r"asyncio\.run\(\) cannot be called from a running event loop",
        "`asyncio.run` starts an event loop, and one is running already",
        "await the coroutine directly",
    ),
    (
        "RuntimeError",
        "await wasn't used with future",
        "something awaitable was unpacked in place of its result: it was called and not awaited",
        "put `await` before the call, for example `await asyncio.gather(…)`",
    ),
    (
        "TypeError",
        "Passing coroutines is forbidden, use tasks explicitly",
        "`asyncio.wait` takes tasks, and coroutines were given to it",
        "use `await asyncio.gather(…)`, which takes both and keeps their order",
    ),
    (
        "AttributeError",
        "has no attribute '(aall|afilter|aexclude|aorder_by|avalues)'",
        "building a query is never async: there is no such method, because nothing waits yet",
        "build the query with the plain method, then `async for` over it",
    ),
    (
        "TypeError",
        "'async for' requires an object with __aiter__ method",
        "`async for` stands before something that is an ordinary iterable",
        "use a plain `for`",
    ),
    (
        "TypeError",
        "'async_generator' object is not iterable",
        "an async generator was used where a plain loop runs",
        "go through it with `async for`, for example `[x async for x in …]`",
    ),
)


def explain(error: BaseException) -> tuple[str | None, str | None]:
    """The cause of an error and the next step, or None twice where nothing is certain.

    Of an exception group the first error that is recognised counts.
    """
    if isinstance(error, BaseExceptionGroup):
        return next((words for e in error.exceptions if (words := explain(e)) != (None, None)), (None, None))
    for kind, pattern, because, step in KNOWN:
        if type(error).__name__ == kind and re.search(pattern, str(error)):
            return because, step
    return None, None
