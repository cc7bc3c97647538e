import asyncio
import inspect

from asgiref.sync import iscoroutinefunction
from django.http import HttpResponse, HttpResponseBase
from django.test import AsyncRequestFactory

from tutorial_project.checks import known_answer


async def page(request):
    return HttpResponse("Welcome")


request = AsyncRequestFactory().get("/")


def flags(middleware):
    return {
        "sync": getattr(middleware, "sync_capable", True),
        "async": getattr(middleware, "async_capable", False),
    }


@known_answer("judge", when="Where the verdict shall say why: it is not awaitable, or it raises.")
async def looks_whether_it_is_awaitable(middleware):
    said = flags(middleware)
    if not said["async"]:
        return {**said, "works": said["sync"]}
    try:
        given = middleware(page)(request)
        works = inspect.isawaitable(given)
        if works:
            await given
    except Exception:
        works = False
    return {**said, "works": works}


@known_answer("judge")
async def reads_attributes_with_hasattr(middleware):
    sync = middleware.sync_capable if hasattr(middleware, "sync_capable") else True
    also_async = middleware.async_capable if hasattr(middleware, "async_capable") else False
    try:
        if also_async:
            response = await middleware(page)(request)
            works = hasattr(response, "status_code")
        else:
            works = sync
    except Exception:
        works = False
    return {"sync": sync, "async": also_async, "works": works}


@known_answer("judge", breaks="reads_the_flags", says="'sync': True")
async def believes_all_are_sync(middleware):
    return {**flags(middleware), "sync": True, "works": True}


@known_answer("judge", breaks="reads_the_flags", says="'works': True")
async def looks_at_the_call(middleware):
    also_async = iscoroutinefunction(vars(middleware).get("__call__", middleware))
    return {"sync": not also_async, "async": also_async, "works": True}


@known_answer("judge", breaks="takes_djangos_defaults", says="Django then takes it for sync only")
async def without_defaults(middleware):
    said = {"sync": middleware.sync_capable, "async": middleware.async_capable}
    return said | {"works": any(said.values())}


@known_answer("judge", breaks="takes_djangos_defaults", says="Django then takes it for sync only")
async def missing_means_no(middleware):
    said = {key: getattr(middleware, f"{key}_capable", False) for key in ("sync", "async")}
    return said | {"works": True}


@known_answer("judge", breaks="refuses_neither", says="no way to call it")
async def neither_works(middleware):
    return flags(middleware) | {"works": True}


@known_answer("judge", breaks="finds_broken_promises", says="gives back a response where Django awaits")
async def believes_the_flags(middleware):
    said = flags(middleware)
    return said | {"works": any(said.values())}


@known_answer("judge", breaks="finds_broken_promises", says="so it looks async")
async def believes_the_mark(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        return said | {"works": iscoroutinefunction(middleware(page))}
    except Exception:
        return said | {"works": False}


@known_answer("judge", breaks="finds_broken_promises", says="and `judge` raises")
async def error_not_caught(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    given = middleware(page)(request)
    if inspect.isawaitable(given):
        await given
        return said | {"works": True}
    return said | {"works": False}


@known_answer("judge", breaks="finds_broken_promises", says="and `judge` raises")
async def catches_type_errors_only(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        await middleware(page)(request)
    except TypeError:
        return said | {"works": False}
    return said | {"works": True}


@known_answer("judge", breaks="trusts_honest_ones", says="in place of the view, and that breaks no promise")
async def wants_the_page(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        return said | {"works": (await middleware(page)(request)).status_code == 200}
    except Exception:
        return said | {"works": False}


@known_answer("judge", breaks="trusts_honest_ones", says="`__call__` is a plain function")
async def distrusts_plain_calls(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        built = middleware(page)
        given = built(request)
        works = inspect.isawaitable(given)
        if works:
            await given
        plain = not inspect.isfunction(built) and not inspect.iscoroutinefunction(type(built).__call__)
        mixed = any("Mixin" in each.__name__ for each in type(built).__mro__)
        return said | {"works": works and (mixed or not plain)}
    except Exception:
        return said | {"works": False}


@known_answer("judge", breaks="trusts_honest_ones", says="never said that it is async")
async def distrusts_sync_ones(middleware):
    said = flags(middleware)
    try:
        await page(request)
        works = said["async"] and bool(await middleware(page)(request))
    except Exception:
        works = False
    return said | {"works": works}


@known_answer("judge", breaks="trusts_honest_ones", says="both are `HttpResponseBase`")
async def wants_an_http_response(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        return said | {"works": isinstance(await middleware(page)(request), HttpResponse)}
    except Exception:
        return said | {"works": False}


@known_answer("judge", breaks="finds_broken_promises", says="and `judge` raises")
async def raises_what_the_middleware_raises(middleware):
    said = flags(middleware)
    if said["async"]:
        await middleware(page)(request)
    return said | {"works": any(said.values())}


@known_answer("judge", breaks="finds_broken_promises", says="it raises when")
async def does_not_await(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        given = middleware(page)(request)
    except Exception:
        return said | {"works": False}
    works = inspect.isawaitable(given)
    if inspect.iscoroutine(given):
        given.close()
    return said | {"works": works}


@known_answer("judge", breaks="reads_the_flags", says="judge(")
def forgets_async(middleware):
    return None


LOCK = asyncio.Lock()


@known_answer("judge", breaks="does_the_same_beside_itself", says="the other one holds nobody up")
async def one_at_a_time(middleware):
    async with LOCK:
        return await looks_whether_it_is_awaitable(middleware)


@known_answer("judge", breaks="finds_broken_promises", says="its decorator says async")
async def tries_classes_alone(middleware):
    said = flags(middleware)
    if not said["async"] or not isinstance(middleware, type):
        return {**said, "works": said["sync"] or said["async"]}
    return await looks_whether_it_is_awaitable(middleware)


@known_answer("judge", breaks="trusts_honest_ones", says="it reads its request")
async def tries_without_a_request(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        return said | {"works": isinstance(await middleware(page)(None), HttpResponseBase)}
    except Exception:
        return said | {"works": False}


last = {}


@known_answer("judge", breaks="finds_broken_promises", says="another call has written over it")
async def keeps_the_verdict_in_the_module(middleware):
    last.update(flags(middleware))
    last["works"] = (await looks_whether_it_is_awaitable(middleware))["works"]
    return dict(last)


@known_answer("judge", breaks="trusts_honest_ones", says="is a task, and no coroutine")
async def awaits_coroutines_alone(middleware):
    said = flags(middleware)
    works = said["sync"] or said["async"]
    if said["async"]:
        try:
            given = middleware(page)(request)
            works = inspect.iscoroutine(given) and isinstance(await given, HttpResponseBase)
        except Exception:
            works = False
    return {**said, "works": works}


@known_answer("judge", breaks="trusts_honest_ones", says="around an async view, it does what it says")
async def tries_a_sync_view_as_well(middleware):
    said = flags(middleware)
    works = said["sync"] or said["async"]
    if said["async"]:
        try:
            await middleware(page)(request)
            if said["sync"]:
                middleware(lambda request: HttpResponse("Welcome"))
        except Exception:
            works = False
    return {**said, "works": works}


@known_answer("judge", breaks="finds_broken_promises", says="a dictionary with 'works': True")
async def tries_a_sync_view_alone(middleware):
    said = flags(middleware)
    works = said["sync"] or said["async"]
    if said["async"]:
        try:
            await middleware(lambda request: HttpResponse("Welcome"))(request)
        except Exception:
            works = False
    return {**said, "works": works}


@known_answer("judge", breaks="trusts_honest_ones", says="it never said that it is async")
async def tries_sync_ones_as_well(middleware):
    said = flags(middleware)
    works = said["sync"] or said["async"]
    if works:
        try:
            await middleware(page)(request)
        except Exception:
            works = False
    return {**said, "works": works}


@known_answer("judge", breaks="trusts_honest_ones", says="in place of the view, and that breaks no promise")
async def wants_the_page_to_be_called(middleware):
    said, called = flags(middleware), []

    async def seen(request):
        called.append(request)
        return HttpResponse("Welcome")

    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        await middleware(seen)(request)
    except Exception:
        return said | {"works": False}
    return said | {"works": bool(called)}


@known_answer("judge", breaks="trusts_honest_ones", says="try only one that says it is async")
async def tries_sync_ones_in_a_thread(middleware):
    said = flags(middleware)
    if said["async"]:
        return await looks_whether_it_is_awaitable(middleware)
    try:
        if said["sync"]:
            await asyncio.to_thread(middleware(lambda request: HttpResponse("Welcome")), request)
        return said | {"works": said["sync"]}
    except Exception:
        return said | {"works": False}


@known_answer("judge", breaks="finds_broken_promises", says="this middleware raises around an async view")
async def calls_it_outside_of_the_try(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        built = middleware(page)
    except Exception:
        return said | {"works": False}
    given = built(request)
    try:
        await given
    except Exception:
        return said | {"works": False}
    return said | {"works": True}


@known_answer("judge", breaks="trusts_honest_ones", says="judge(ReadsTheRequest)")
async def wants_no_new_header(middleware):
    said = flags(middleware)
    if not said["async"]:
        return said | {"works": said["sync"]}
    try:
        response = await middleware(page)(request)
    except Exception:
        return said | {"works": False}
    return said | {"works": set(response.headers) <= {"Content-Type"}}


EQUAL_MUTANTS = {
    "local as global: nothing → global works": "it is set after the wait, and nobody waits between that and the `return`",
}
