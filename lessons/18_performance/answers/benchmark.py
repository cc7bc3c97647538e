import asyncio

from tutorial_project.checks import known_answer


async def ask(page):
    try:
        return await page()
    except Exception:
        return None


async def warmed(page, times):
    for _ in range(times):
        await ask(page)


@known_answer(
    "benchmark",
    when="Where the requests differ: each is a task of its own, and the gate keeps the number under way.",
)
async def with_a_semaphore(page, *, visitors, requests, warm_up, clock):
    gate, times = asyncio.Semaphore(visitors), []

    async def one():
        async with gate:
            began = clock()
            if await ask(page) == 200:
                times.append(clock() - began)

    await warmed(page, warm_up)
    async with asyncio.TaskGroup() as group:
        for _ in range(requests):
            group.create_task(one())
    return {"times": times, "failed": requests - len(times)}


@known_answer(
    "benchmark",
    when="Where requests come while others run, from a file or a log: visitors take what is there.",
)
async def with_a_queue(page, *, visitors, requests, warm_up, clock):
    await asyncio.gather(*(page() for _ in range(warm_up)), return_exceptions=True)
    todo, found = asyncio.Queue(), {"times": [], "failed": 0}
    for number in range(requests):
        todo.put_nowait(number)

    async def visitor():
        while not todo.empty():
            todo.get_nowait()
            began = clock()
            status = await ask(page)
            if status == 200:
                found["times"].append(clock() - began)
            else:
                found["failed"] += 1

    await asyncio.gather(*(visitor() for _ in range(visitors)))
    return found


@known_answer("benchmark", breaks="times_each_request", says="all times are the same")
async def averages(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    left, began = iter(range(requests)), clock()

    async def visitor():
        for _ in left:
            await ask(page)

    await asyncio.gather(*(visitor() for _ in range(visitors)))
    return {"times": [(clock() - began) / requests] * requests, "failed": 0}


@known_answer("benchmark", breaks="times_each_request", says="the times in any order")
async def starts_the_clock_before_the_gate(page, *, visitors, requests, warm_up, clock):
    gate, times = asyncio.Semaphore(visitors), []

    async def one():
        began = clock()
        async with gate:
            if await ask(page) == 200:
                times.append(clock() - began)

    await warmed(page, warm_up)
    await asyncio.gather(*(one() for _ in range(requests)))
    return {"times": times, "failed": requests - len(times)}


@known_answer(
    "benchmark",
    breaks="times_each_request",
    says="'coroutine' and 'int'",
    because="a coroutine was used in place of its result: something was",
)
async def forgets_to_await(page, *, visitors, requests, warm_up, clock):
    for _ in range(requests):
        began, status = clock(), page()
        status.close()
        status + 1
    return {"times": [clock() - began], "failed": 0}


async def timed(page, clock, found):
    began = clock()
    status = await ask(page)
    if status == 200:
        found["times"].append(clock() - began)
    else:
        found["failed"] += 1


@known_answer(
    "benchmark", breaks="keeps_the_visitors_busy", says="more visitors asked at once than there are"
)
async def lets_everybody_in(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    found = {"times": [], "failed": 0}
    await asyncio.gather(*(timed(page, clock, found) for _ in range(requests)))
    return found


@known_answer("benchmark", breaks="keeps_the_visitors_busy", says="got 1 under way")
async def asks_one_after_another(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    found = {"times": [], "failed": 0}
    for _ in range(requests):
        await timed(page, clock, found)
    return found


@known_answer("benchmark", breaks="keeps_the_visitors_busy", says="when one of them has its answer")
async def waits_for_the_slowest(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    found, left = {"times": [], "failed": 0}, requests
    while left > 0:
        await asyncio.gather(*(timed(page, clock, found) for _ in range(min(visitors, left))))
        left -= visitors
    return found


async def measured(page, visitors, requests, clock):
    left, found = iter(range(requests)), {"times": [], "failed": 0}

    async def visitor():
        for _ in left:
            await timed(page, clock, found)

    await asyncio.gather(*(visitor() for _ in range(visitors)))
    return found


@known_answer(
    "benchmark",
    breaks="warms_up_first",
    says="expected 4 requests for the warm-up",
    because="requests of the warm-up were under way together with those that",
)
async def measures_cold(page, *, visitors, requests, warm_up, clock):
    return await measured(page, visitors, requests, clock)


@known_answer("benchmark", breaks="warms_up_first", says="under way together with those that are measured")
async def counts_the_warm_up(page, *, visitors, requests, warm_up, clock):
    found = await measured(page, visitors, warm_up + requests, clock)
    return {"times": found["times"][warm_up:], "failed": found["failed"]}


@known_answer("benchmark", breaks="warms_up_first", says="not up yet")
async def gives_up_in_the_warm_up(page, *, visitors, requests, warm_up, clock):
    for _ in range(warm_up):
        await page()
    return await measured(page, visitors, requests, clock)


@known_answer("benchmark", breaks="counts_failures_apart", says="errors are fast")
async def takes_errors_for_answers(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    left, times = iter(range(requests)), []

    async def visitor():
        for _ in left:
            began = clock()
            await ask(page)
            times.append(clock() - began)

    await asyncio.gather(*(visitor() for _ in range(visitors)))
    return {"times": times, "failed": 0}


@known_answer("benchmark", breaks="counts_failures_apart", says="no answer")
async def ends_at_the_first_error(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    left, found = iter(range(requests)), {"times": [], "failed": 0}

    async def visitor():
        for _ in left:
            began = clock()
            if await page() == 200:
                found["times"].append(clock() - began)
            else:
                found["failed"] += 1

    await asyncio.gather(*(visitor() for _ in range(visitors)))
    return found


@known_answer("benchmark", breaks="counts_failures_apart", says='"failed": 1')
async def swallows_errors(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    left, found = iter(range(requests)), {"times": [], "failed": 0}

    async def visitor():
        for _ in left:
            began = clock()
            try:
                status = await page()
            except Exception:
                continue
            if status == 200:
                found["times"].append(clock() - began)
            else:
                found["failed"] += 1

    await asyncio.gather(*(visitor() for _ in range(visitors)))
    return found


@known_answer(
    "benchmark",
    breaks="counts_failures_apart",
    says='"failed": 1',
    because="there is a time for each request, also for those that failed:",
)
async def takes_every_status_below_400(page, *, visitors, requests, warm_up, clock):
    async def kind_page():
        status = await page()
        return 200 if status < 400 else status

    await warmed(page, warm_up)
    return await measured(kind_page, visitors, requests, clock)


@known_answer("benchmark", breaks="counts_failures_apart", says="PageError")
async def expects_some_errors_only(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    left, found = iter(range(requests)), {"times": [], "failed": 0}

    async def visitor():
        for _ in left:
            began = clock()
            try:
                status = await page()
            except (OSError, TimeoutError):
                status = None
            if status == 200:
                found["times"].append(clock() - began)
            else:
                found["failed"] += 1

    await asyncio.gather(*(visitor() for _ in range(visitors)))
    return found


@known_answer("benchmark", breaks="counts_failures_apart", says="asked no more")
async def an_error_sends_its_visitor_home(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    left, found = iter(range(requests)), {"times": [], "failed": 0}

    async def visitor():
        try:
            for _ in left:
                began = clock()
                if await page() == 200:
                    found["times"].append(clock() - began)
                else:
                    found["failed"] += 1
        except Exception:
            found["failed"] += 1

    await asyncio.gather(*(visitor() for _ in range(visitors)))
    return found


@known_answer("benchmark")
async def takes_numbers_from_a_queue(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    numbers, found = asyncio.Queue(), {"times": [], "failed": 0}
    for number in range(requests):
        numbers.put_nowait(number)

    async def visitor():
        while not numbers.empty():
            numbers.get_nowait()
            began = clock()
            try:
                good = await page() == 200
            except Exception:
                good = False
            if good:
                found["times"].append(clock() - began)
            else:
                found["failed"] += 1

    await asyncio.gather(*(visitor() for _ in range(visitors)))
    return found


@known_answer("benchmark", breaks="times_each_request", says="before the clock has moved")
async def takes_no_time_for_no_answer(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    limit = asyncio.Semaphore(visitors)

    async def seconds():
        async with limit:
            began = clock()
            try:
                good = await page() == 200
            except Exception:
                return None
            return clock() - began if good else None

    took = await asyncio.gather(*(seconds() for _ in range(requests)))
    times = [one for one in took if one]
    return {"times": times, "failed": requests - len(times)}


@known_answer("benchmark", breaks="warms_up_first", says="nothing measured until they have ended")
async def gives_the_warm_up_up_at_a_failure(page, *, visitors, requests, warm_up, clock):
    try:
        for _ in range(warm_up):
            await page()
    except Exception:
        pass
    return await takes_numbers_from_a_queue(
        page, visitors=visitors, requests=requests, warm_up=0, clock=clock
    )


@known_answer(
    "benchmark", when="Where no coroutine of your own is wanted: the end of one request begins the next."
)
async def begins_the_next_in_a_callback(page, *, visitors, requests, warm_up, clock):
    found = {"times": [], "failed": 0}

    def report(good, took):
        if good:
            found["times"].append(took)
        else:
            found["failed"] += 1

    await by_callbacks(page, visitors, warm_up, clock, lambda good, took: None)
    await by_callbacks(page, visitors, requests, clock, report)
    return found


def by_callbacks(page, visitors, requests, clock, report):
    over, left, under_way = asyncio.get_running_loop().create_future(), iter(range(requests)), set()

    def begin():
        if next(left, None) is not None:
            task, began = asyncio.ensure_future(page()), clock()
            under_way.add(task)
            task.add_done_callback(lambda task: end(task, clock() - began))
        elif not under_way and not over.done():
            over.set_result(None)

    def end(task, took):
        under_way.discard(task)
        report(not task.exception() and task.result() == 200, took)
        begin()

    for _ in range(visitors):
        begin()
    return over


async def measured_by(page, visitors, requests, clock, *, good=lambda status: status == 200, after=None):
    left, found = iter(range(requests)), {"times": [], "failed": 0}

    async def visitor():
        for _ in left:
            began = clock()
            status = await ask(page)
            if status is not None and good(status):
                found["times"].append(clock() - began)
            else:
                found["failed"] += 1
            if after is not None:
                await after()

    await asyncio.gather(*(visitor() for _ in range(visitors)))
    return found


@known_answer(
    "benchmark",
    breaks="counts_failures_apart",
    says='"failed": 1',
    because="there is a time for each request, also for those that failed:",
)
async def takes_every_status_of_success(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    return await measured_by(page, visitors, requests, clock, good=lambda status: 200 <= status < 300)


@known_answer("benchmark", breaks="keeps_the_visitors_busy", says="when one of them has its answer")
async def pauses_for_a_moment(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    return await measured_by(page, visitors, requests, clock, after=lambda: asyncio.sleep(0.001))


@known_answer("benchmark", breaks="keeps_the_visitors_busy", says="a limit was set to a request")
async def gives_up_after_ten_seconds(page, *, visitors, requests, warm_up, clock):
    async def limited():
        async with asyncio.timeout(10):
            return await page()

    await warmed(page, warm_up)
    return await measured_by(limited, visitors, requests, clock)


@known_answer(
    "benchmark", breaks="counts_failures_apart", says="under way when one of them has had PageError"
)
async def who_has_an_error_waits_for_the_others(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    left, found = iter(range(requests)), {"times": [], "failed": 0}

    async def visitor():
        for _ in left:
            began = clock()
            try:
                status = await page()
            except Exception:
                found["failed"] += 1
                return
            if status == 200:
                found["times"].append(clock() - began)
            else:
                found["failed"] += 1

    while len(found["times"]) + found["failed"] < requests:
        await asyncio.gather(*(visitor() for _ in range(visitors)))
    return found


@known_answer("benchmark", breaks="counts_failures_apart", says="the times in any order")
async def counts_from_the_last_answer(page, *, visitors, requests, warm_up, clock):
    await warmed(page, warm_up)
    left, found = iter(range(requests)), {"times": [], "failed": 0}

    async def visitor():
        last = clock()
        for _ in left:
            try:
                status = await page()
            except Exception:
                found["failed"] += 1
                continue
            last, took = clock(), clock() - last
            if status == 200:
                found["times"].append(took)
            else:
                found["failed"] += 1

    await asyncio.gather(*(visitor() for _ in range(visitors)))
    return found
