import asyncio
import contextlib
from functools import partial

from django.utils import timezone

from tutorial_project.checks import known_answer
from tutorial_project.trips.forecasts import chance_to_sell_out
from tutorial_project.trips.models import Trip


@known_answer(
    "chances",
    when="Where sync code shares the futures: `submit` needs no event loop, and `wrap_future` comes later.",
)
async def wrapped_futures(pool, days):
    rows = Trip.objects.filter(active=True).values_list("pk", "seats_left")
    work = {pk: asyncio.wrap_future(pool.submit(chance_to_sell_out, left, days)) async for pk, left in rows}
    return dict(zip(work, await asyncio.gather(*work.values()), strict=True))


@known_answer(
    "chances",
    when="Where more than one may fail: the group takes back the others, and shows all errors together.",
)
async def a_task_group(pool, days):
    loop = asyncio.get_running_loop()

    async def chance(trip):
        return await loop.run_in_executor(pool, chance_to_sell_out, trip.seats_left, days)

    trips = [trip async for trip in Trip.objects.filter(active=True)]
    async with asyncio.TaskGroup() as group:
        tasks = {trip.pk: group.create_task(chance(trip)) for trip in trips}
    return {pk: task.result() for pk, task in tasks.items()}


@known_answer(
    "chances",
    breaks="computes_in_the_pool",
    says="the pool got nothing to do",
    because="it was computed in this process, on the loop or on a thread",
)
async def on_the_loop(pool, days):
    trips = Trip.objects.filter(active=True)
    return {trip.pk: chance_to_sell_out(trip.seats_left, days, 10) async for trip in trips}


@known_answer(
    "chances",
    breaks="computes_in_the_pool",
    says="the pool got nothing to do",
    because="it was computed in this process, on the loop or on a thread",
)
async def on_threads(pool, days):
    trips = [trip async for trip in Trip.objects.filter(active=True)]
    work = [asyncio.to_thread(chance_to_sell_out, trip.seats_left, days, 10) for trip in trips]
    results = await asyncio.gather(*work)
    return {trip.pk: result for trip, result in zip(trips, results, strict=True)}


def chance_of(trip, days):
    return chance_to_sell_out(trip.seats_left, days)


@known_answer("chances", breaks="computes_in_the_pool", says="a row breaks the pool")
async def hands_over_rows(pool, days):
    loop = asyncio.get_running_loop()
    trips = [trip async for trip in Trip.objects.filter(active=True)]
    results = await asyncio.gather(*(loop.run_in_executor(pool, chance_of, trip, days) for trip in trips))
    return {trip.pk: result for trip, result in zip(trips, results, strict=True)}


@known_answer("chances", breaks="computes_in_the_pool", says="neither a lambda")
async def hands_over_a_lambda(pool, days):
    loop = asyncio.get_running_loop()
    trips = [trip async for trip in Trip.objects.filter(active=True)]
    work = [
        loop.run_in_executor(pool, lambda left=trip.seats_left: chance_to_sell_out(left, days))
        for trip in trips
    ]
    results = await asyncio.gather(*work)
    return {trip.pk: result for trip, result in zip(trips, results, strict=True)}


@known_answer("chances", breaks="computes_in_the_pool", says="Future")
async def forgets_to_await(pool, days):
    loop = asyncio.get_running_loop()
    trips = [trip async for trip in Trip.objects.filter(active=True)]
    return {trip.pk: loop.run_in_executor(pool, chance_to_sell_out, trip.seats_left, days) for trip in trips}


@known_answer("chances", breaks="computes_in_the_pool", says="as the pool gave them")
async def every_trip(pool, days):
    loop = asyncio.get_running_loop()
    trips = [trip async for trip in Trip.objects.all()]
    work = [loop.run_in_executor(pool, chance_to_sell_out, trip.seats_left, days) for trip in trips]
    results = await asyncio.gather(*work)
    return {trip.pk: result for trip, result in zip(trips, results, strict=True)}


@known_answer("chances", breaks="hands_all_over", says="one call after the other")
async def one_after_the_other(pool, days):
    loop = asyncio.get_running_loop()
    trips = [trip async for trip in Trip.objects.filter(active=True)]
    return {
        trip.pk: await loop.run_in_executor(pool, chance_to_sell_out, trip.seats_left, days) for trip in trips
    }


@known_answer("chances", breaks="leaves_the_loop_free", says="the event loop itself waits for the pool")
async def waits_with_result(pool, days):
    trips = [trip async for trip in Trip.objects.filter(active=True)]
    work = {trip.pk: pool.submit(chance_to_sell_out, trip.seats_left, days) for trip in trips}
    return {pk: future.result() for pk, future in work.items()}


@known_answer("chances", breaks="lets_the_error_out", says="MemoryError")
async def swallows_the_error(pool, days):
    loop = asyncio.get_running_loop()
    trips = [trip async for trip in Trip.objects.filter(active=True)]
    work = [loop.run_in_executor(pool, chance_to_sell_out, trip.seats_left, days) for trip in trips]
    results = await asyncio.gather(*work, return_exceptions=True)
    found = zip(trips, results, strict=True)
    return {trip.pk: result for trip, result in found if isinstance(result, float)}


@known_answer("chances", breaks="takes_back", says="0 of 5 calls taken back")
async def on_a_thread_that_waits(pool, days):
    trips = [trip async for trip in Trip.objects.filter(active=True)]
    work = {trip.pk: pool.submit(chance_to_sell_out, trip.seats_left, days) for trip in trips}

    def wait():
        return {pk: future.result() for pk, future in work.items()}

    return await asyncio.to_thread(wait)


@known_answer("chances", breaks="takes_back", says="0 of 5 calls taken back")
async def shields_them(pool, days):
    loop = asyncio.get_running_loop()
    trips = [trip async for trip in Trip.objects.filter(active=True)]
    work = [loop.run_in_executor(pool, chance_to_sell_out, trip.seats_left, days) for trip in trips]
    gathered = asyncio.gather(*work)
    with contextlib.suppress(KeyError):
        results = await asyncio.shield(gathered)
    return {trip.pk: result for trip, result in zip(trips, results, strict=True)}


@known_answer("chances")
async def a_partial_of_the_function(pool, days):
    loop = asyncio.get_running_loop()
    trips = [trip async for trip in Trip.objects.filter(active=True)]

    async def chance(trip, future):
        return trip.pk, await future

    play = partial(chance_to_sell_out, days=days)
    work = [chance(trip, loop.run_in_executor(pool, play, trip.seats_left)) for trip in trips]
    return dict(await asyncio.gather(*work))


async def computed(pool, days, trips, *more):
    loop = asyncio.get_running_loop()
    work = [loop.run_in_executor(pool, chance_to_sell_out, trip.seats_left, days, *more) for trip in trips]
    return {trip.pk: chance for trip, chance in zip(trips, await asyncio.gather(*work), strict=True)}


@known_answer("chances", breaks="computes_in_the_pool", says=": the chance of 0 seats")
async def sold_out_is_not_on_sale(pool, days):
    trips = [trip async for trip in Trip.objects.filter(active=True, seats_left__gt=0)]
    return await computed(pool, days, trips)


@known_answer("chances", breaks="computes_in_the_pool", says="the rest is left to the function")
async def fewer_rounds(pool, days):
    return await computed(pool, days, [trip async for trip in Trip.objects.filter(active=True)], 1000)


@known_answer(
    "chances",
    breaks="computes_in_the_pool",
    says="the pool was shut down",
    because="somebody else has made it, and others compute in it, too",
)
async def shuts_the_pool_down(pool, days):
    with pool:
        return await computed(pool, days, [trip async for trip in Trip.objects.filter(active=True)])


@known_answer(
    "chances",
    breaks="takes_back",
    says="the pool was shut down",
    because="somebody else has made it, and others compute in it, too",
)
async def shuts_it_down_when_cancelled(pool, days):
    try:
        return await computed(pool, days, [trip async for trip in Trip.objects.filter(active=True)])
    except asyncio.CancelledError:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


@known_answer("chances", breaks="takes_back", says="the cancellation was swallowed")
async def swallows_the_cancellation(pool, days):
    try:
        return await computed(pool, days, [trip async for trip in Trip.objects.filter(active=True)])
    except asyncio.CancelledError:
        return {}


on_sale = []


@known_answer("chances", breaks="computes_in_the_pool", says="put on sale after it was called")
async def keeps_the_trips_in_the_module(pool, days):
    loop = asyncio.get_running_loop()
    on_sale[:] = [trip async for trip in Trip.objects.filter(active=True)]
    work = [loop.run_in_executor(pool, chance_to_sell_out, trip.seats_left, days) for trip in on_sale]
    results = await asyncio.gather(*work)
    return {trip.pk: chance for trip, chance in zip(on_sale, results, strict=True)}


@known_answer("chances", breaks="lets_the_error_out", says="MemoryError")
async def one_future_for_trips_alike(pool, days):
    loop = asyncio.get_running_loop()
    rows = [row async for row in Trip.objects.filter(active=True).values_list("pk", "seats_left")]
    work = {left: loop.run_in_executor(pool, chance_to_sell_out, left, days) for _, left in rows}
    await asyncio.gather(*work.values())
    return {pk: work[left].result() for pk, left in rows}


@known_answer("chances", breaks="computes_in_the_pool", says="when no trip is on sale")
async def waits_for_nothing_at_all(pool, days):
    loop = asyncio.get_running_loop()
    rows = Trip.objects.filter(active=True).values_list("pk", "seats_left")
    work = {pk: loop.run_in_executor(pool, chance_to_sell_out, left, days) async for pk, left in rows}
    try:
        await asyncio.wait(work.values())
    finally:
        for future in work.values():
            future.cancel()
    return {pk: future.result() for pk, future in work.items()}


@known_answer("chances", breaks="computes_in_the_pool", says="as the pool gave them")
async def in_the_order_in_which_they_are_done(pool, days):
    loop = asyncio.get_running_loop()
    rows = Trip.objects.filter(active=True).values_list("pk", "seats_left")
    work = {pk: loop.run_in_executor(pool, chance_to_sell_out, left, days) async for pk, left in rows}
    try:
        results = [await done for done in asyncio.as_completed(work.values())]
    finally:
        for future in work.values():
            future.cancel()
    return dict(zip(work, results, strict=True))


@known_answer("chances")
async def each_as_soon_as_it_is_done(pool, days):
    loop = asyncio.get_running_loop()

    async def chance(pk, future):
        return pk, await future

    trips = [trip async for trip in Trip.objects.filter(active=True).only("seats_left")]
    handed = {t.pk: loop.run_in_executor(pool, chance_to_sell_out, t.seats_left, days) for t in trips}
    tasks = [asyncio.create_task(chance(pk, future)) for pk, future in handed.items()]
    try:
        return dict([await done for done in asyncio.as_completed(tasks)])
    finally:
        for task in tasks:
            task.cancel()


@known_answer("chances", breaks="hands_all_over", says="8 of them at the same time")
async def eight_at_a_time(pool, days):
    loop, room = asyncio.get_running_loop(), asyncio.Semaphore(8)

    async def chance(trip):
        async with room:
            return await loop.run_in_executor(pool, chance_to_sell_out, trip.seats_left, days)

    trips = [trip async for trip in Trip.objects.filter(active=True)]
    results = await asyncio.gather(*map(chance, trips))
    return {trip.pk: result for trip, result in zip(trips, results, strict=True)}


@known_answer("chances", breaks="computes_in_the_pool", says="as the pool gave them")
async def what_departs_yet(pool, days):
    coming = Trip.objects.filter(active=True, departs__gte=timezone.localdate())
    return await computed(pool, days, [trip async for trip in coming])


@known_answer("chances", breaks="computes_in_the_pool", says="as the pool gave them")
async def one_trip_for_each_number_of_seats(pool, days):
    trips = {trip.seats_left: trip async for trip in Trip.objects.filter(active=True)}
    return await computed(pool, days, list(trips.values()))


@known_answer("chances", breaks="computes_in_the_pool", says="put on sale after it was called")
async def reads_the_trips_again(pool, days):
    results = await computed(pool, days, [trip async for trip in Trip.objects.filter(active=True)])
    again = Trip.objects.filter(active=True).values_list("pk", flat=True)
    return dict(zip([pk async for pk in again], results.values(), strict=False))
