"""Errors that the checks recognise, with their cause and the next step."""

from __future__ import annotations

import re
import traceback

# (type name, with "in MODULE" where the error must come from there, or "through FUNCTION" that was on its way;
# pattern in the message, cause, next step); the first that fits is used.
KNOWN: tuple[tuple[str, str, str, str | None], ...] = (
    (
        "SynchronousOnlyOperation through Atomic.__enter__",
        "",
        "a transaction was begun in the event loop, and it has no async form: it belongs to one connection, and that to "
        "one thread",
        "put the whole transaction into one sync function with `with transaction.atomic():`, and call it once: "
        "`await sync_to_async(function)(…)`",
    ),
    (
        "SynchronousOnlyOperation through ForwardManyToOneDescriptor.__get__",
        "",
        "the database was used directly in the event loop: an attribute that is a relation was read, and its row had "
        "not been fetched",
        "fetch it with the row it belongs to: `select_related(…)`",
    ),
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
        r"'(dict|list|str|int|float|bool|set|QuerySet|\w*Model|Trip|Booking)' object has no attribute "
        r"'(headers|status_code|has_header)'",
        "a view gives back a response object, and this one gave back something else",
        "return a response, for example `return JsonResponse(…)`",
    ),
    (
        "AttributeError",
        "'NoneType' object has no attribute '(_resource_closers|headers|status_code|has_header)'",
        "None came back where a response was expected: something ended without a `return`",
        "return the response",
    ),
    (
        "AttributeError",
        "'tuple' object has no attribute '(get|headers|status_code|has_header)'",
        "a view gives back a response object, and this one gave back a tuple",
        "one response, with its status in it: `JsonResponse(…, status=404)`",
    ),
    (
        "TypeError",
        "In order to allow non-dict objects to be serialized",
        "`JsonResponse` was given no dictionary: a coroutine that nobody awaited, or a list, or text",
        "put `await` before the call that gives the data; what is no dictionary goes into one",
    ),
    (
        "AttributeError",
        "'(Http404|BadRequest|PermissionDenied)' object has no attribute",
        "an exception was returned, as if it were a response",
        "`raise` in the place of `return`",
    ),
    (
        "AttributeError",
        r"'\w+Request' object has no attribute '(json|data|query_params)'",
        "Django's requests have no such attribute: the body is in `request.body`, the query string in `request.GET`",
        '`json.loads(request.body)`, or `request.GET.get("name")`',
    ),
    (
        "AttributeError",
        "'bytes' object has no attribute 'read'",
        "`json.load` reads a file, and it was given bytes",
        "`json.loads(…)`",
    ),
    (
        "TypeError",
        "Object of type coroutine is not JSON serializable",
        "a coroutine was put into the answer: something was called and not awaited",
        "put `await` before the call whose result goes into the answer; to a thread, hand a sync function",
    ),
    (
        "TypeError",
        r"'coroutine' object|coroutine' and|object of type 'coroutine'|non-iterable coroutine",
        "a coroutine was used in place of its result: something was called and not awaited",
        "put `await` before the call",
    ),
    *(
        (
            kind,
            "<coroutine object",
            "a coroutine was used in place of its result: something was called and not awaited",
            "put `await` before the call",
        )
        for kind in ("TypeError", "ValueError")
    ),
    (
        "TypeError",
        "Object of type (CombinedExpression|F) is not JSON serializable",
        "the attribute holds the expression: the database has computed it, and the object does not know the number",
        "`await ….arefresh_from_db()`",
    ),
    (
        "AttributeError",
        "'coroutine' object has no attribute",
        "a coroutine was used in place of its result: something was called and not awaited",
        "put `await` before the call, in parentheses: `(await …).attribute`",
    ),
    (
        "TypeError",
        r"'(Timeout|TaskGroup|Semaphore|Lock|AsyncClient|_AsyncGeneratorContextManager)' object does not support the context manager protocol"
        "|Use async with instead",
        "it takes time to enter or to leave this block, so a plain `with` cannot do it",
        "`async with`",
    ),
    (
        "AttributeError",
        "RequestContextManager' object has no attribute",
        "aiohttp's `session.get(…)` is no response yet: it waits to be entered",
        "`async with session.get(…) as response:`, and in it `await response.json()`",
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
        r"sync_to_async\(\) (takes from 0|got an unexpected)",
        "`sync_to_async` takes the function alone; the arguments belong to the call of what it gives",
        "`await sync_to_async(function)(arguments)`",
    ),
    (
        "TypeError",
        "unexpected keyword argument 'thread_sensitive'",
        "`thread_sensitive` belongs to `sync_to_async`, and the call of the function was given it",
        "`await sync_to_async(function, thread_sensitive=False)(arguments)`",
    ),
    (
        "TypeError in concurrent.futures.thread",
        "object is not callable",
        "the function was called at once, and the thread was given its result",
        "hand over the function and its arguments: `await asyncio.to_thread(function, arguments)`, "
        "`pool.submit(function, arguments)`",
    ),
    (
        "TypeError",
        "sync_to_async can only be applied to sync functions",
        "what `sync_to_async` was given is no sync function: it is the result of a call, or it is async already",
        "hand over the function itself, `await sync_to_async(function)(arguments)`; await directly what is async",
    ),
    (
        "TypeError",
        "object (function|method) can't be used in 'await'|'(function|method)' object can't be awaited",
        "`await` stands before a function that was not called",
        "call, then await: `await function(arguments)`",
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
        "RuntimeError",
        "Cannot run the event loop while another loop is running|This event loop is already running",
        "an event loop is running in this thread already, and no second one can run inside it",
        "await the coroutine directly",
    ),
    (
        "TypeError in asyncio.tasks",
        "unhashable type: '(list|set)'",
        "`asyncio.gather` was given one list; it takes the awaitables one by one",
        "unpack the list with a star: `await asyncio.gather(*questions)`",
    ),
    (
        "TypeError in asyncio.tasks",
        "unhashable type: 'dict'|a coroutine or an awaitable is required",
        "`asyncio.gather` was given something that is no awaitable: a result that is here already, or a function",
        "hand over the calls of async functions, with no `await` before them: `await asyncio.gather(ask(…), ask(…))`",
    ),
    (
        "InvalidStateError",
        "Result is not set",
        "the result of a task was read before the task was done",
        "read `.result()` after the `async with` block of the group has ended, or `await` the task",
    ),
    (
        "TypeError",
        "Object of type (Task|Future) is not JSON serializable",
        "a task was put into the answer in place of its result",
        "`.result()` of the task once its group has ended, or `await` it",
    ),
    (
        "TypeError",
        "Passing coroutines is forbidden, use tasks explicitly",
        "`asyncio.wait` takes tasks, and coroutines were given to it",
        "use `await asyncio.gather(…)`, which takes both and keeps their order",
    ),
    (
        "AttributeError",
        "has no attribute '(aall|afilter|aexclude|aorder_by|avalues|avalues_list)'",
        "building a query is never async: there is no such method, because nothing waits yet",
        "build the query with the plain method, then `async for` over it",
    ),
    (
        "AttributeError",
        "has no attribute '(alist|atolist)'",
        "there is no such method: a list is made by whoever goes through the QuerySet",
        "`[row async for row in …]`",
    ),
    (
        "TypeError",
        "'async for' requires an object with __aiter__ method",
        "`async for` stands before something that is an ordinary iterable",
        "use a plain `for`",
    ),
    (
        "AttributeError",
        r"Storage' object has no attribute 'a(save|open|delete|exists|url|size)'",
        "Django's storages are plain sync code: they have no async methods",
        "`await asyncio.to_thread(default_storage.save, …)`",
    ),
    (
        "TypeError",
        r"'function' object is not (an async iterable|iterable)",
        "a function was given in place of what it makes: it was not called",
        "call it, with parentheses",
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
    name = type(error).__name__
    kinds = {name, f"{name} in {_module_that_raised(error)}"} | {
        f"{name} through {f}" for f in _functions(error)
    }
    for kind, pattern, because, step in KNOWN:
        if kind in kinds and re.search(pattern, str(error)):
            return because, step
    return None, None


def _module_that_raised(error: BaseException) -> str:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return frames[-1].f_globals.get("__name__", "") if frames else ""


def _functions(error: BaseException) -> set[str]:
    return {frame.f_code.co_qualname for frame, _ in traceback.walk_tb(error.__traceback__)}
