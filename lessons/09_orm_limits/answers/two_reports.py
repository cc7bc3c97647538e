import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections, connection, connections

from tutorial_project.checks import known_answer

from ..shared import all_of

# two_reports


def closing(report):
    try:
        return report()
    finally:
        connection.close()


def closes_on_success(report):
    result = report()
    connection.close()
    return result


@known_answer("two_reports")
async def threads_of_asyncio(first, second):
    return await all_of(asyncio.to_thread(closing, first), asyncio.to_thread(closing, second))


@known_answer("two_reports", when="Where these reports shall not take the threads that everybody else needs.")
async def an_executor_of_its_own(first, second):
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(2)
    try:
        return await all_of(*(loop.run_in_executor(pool, closing, report) for report in (first, second)))
    finally:
        pool.shutdown(wait=False)


@known_answer("two_reports")
async def a_pool_that_is_left_when_both_have_ended(first, second):
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2) as pool:
        return await all_of(*(loop.run_in_executor(pool, closing, report) for report in (first, second)))


@known_answer("two_reports")
async def old_connections_are_closed(first, second):
    def alone(report):
        try:
            return report()
        finally:
            close_old_connections()

    run = sync_to_async(alone, thread_sensitive=False)
    return await all_of(run(first), run(second))


@known_answer("two_reports")
async def a_context_each_and_a_task_each(first, second):
    async def alone(report):
        async with ThreadSensitiveContext():
            return await sync_to_async(closing)(report)

    return await all_of(alone(first), alone(second))


@known_answer("two_reports", when="Where the errors of both are wanted.")
async def a_task_group_that_hears_of_errors_last(first, second):
    async def outcome(report):
        try:
            return await sync_to_async(closing, thread_sensitive=False)(report), None
        except RuntimeError as error:
            return None, error

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(outcome(report)) for report in (first, second)]
    if errors := [task.result()[1] for task in tasks if task.result()[1]]:
        raise ExceptionGroup("reports", errors)
    return tuple(task.result()[0] for task in tasks)


@known_answer("two_reports")
async def a_context_each_in_a_task_group(first, second):
    async def alone(report):
        async with ThreadSensitiveContext():
            return await sync_to_async(closing)(report)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(alone(report)) for report in (first, second)]
    return [task.result() for task in tasks]


@known_answer(
    "two_reports",
    breaks="cleans_up_after_an_error",
    says="while the other report is still running",
    because="a thread cannot be stopped, and nobody waits for this one any",
)
async def gather_that_does_not_wait(first, second):
    run = sync_to_async(closing, thread_sensitive=False)
    return list(await asyncio.gather(run(first), run(second)))


@known_answer(
    "two_reports",
    breaks="cleans_up_after_an_error",
    says="while the other report is still running",
    because="a thread cannot be stopped, and nobody waits for this one any",
)
async def a_task_group_of_threads(first, second):
    run = sync_to_async(closing, thread_sensitive=False)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(report)) for report in (first, second)]
    return [task.result() for task in tasks]


@known_answer(
    "two_reports",
    breaks="cleans_up_after_an_error",
    says="still there",
    because="a connection belongs to the thread that opened it, and nobody",
)
async def closes_the_first_only(first, second):
    return await all_of(asyncio.to_thread(closing, first), asyncio.to_thread(closes_on_success, second))


@known_answer("two_reports", breaks="returns_both", says="where seats_sold ends last")
async def in_the_order_of_their_ends(first, second):
    run = sync_to_async(closing, thread_sensitive=False)
    return [await done for done in asyncio.as_completed([run(first), run(second)])]


@known_answer(
    "two_reports",
    breaks="returns_both",
    says="two_reports(seats_sold, trips_on_sale)",
    because="the database (or something else that is sync only) was used",
)
async def in_the_order_of_a_set(first, second):
    done, _ = await asyncio.wait(
        {asyncio.create_task(asyncio.to_thread(closing(r))) for r in (first, second)}
    )
    return [task.result() for task in done]


@known_answer("two_reports", breaks="leaves_the_loop_free", says="time.sleep")
async def sleeps_on_the_loop(first, second):
    results = await all_of(asyncio.to_thread(closing, first), asyncio.to_thread(closing, second))
    time.sleep(0.05)
    return results


@known_answer("two_reports", breaks="returns_both", says="used directly in the event loop")
async def called_on_the_loop(first, second):
    return [first(), second()]


@known_answer("two_reports", breaks="returns_both", says="[")
async def a_dictionary(first, second):
    run = sync_to_async(closing, thread_sensitive=False)
    results = await asyncio.gather(run(first), run(second))
    return dict(zip(["first", "second"], results, strict=True))


@known_answer("two_reports", breaks="runs_them_together", says="shared one thread")
async def gather_of_thread_sensitive_calls(first, second):
    return await asyncio.gather(sync_to_async(closing)(first), sync_to_async(closing)(second))


@known_answer(
    "two_reports",
    breaks="runs_them_together",
    says="had not begun",
    because="they were awaited one after the other, or they shared one",
)
async def one_after_the_other(first, second):
    return [await asyncio.to_thread(closing, first), await asyncio.to_thread(closing, second)]


@known_answer("two_reports", breaks="leaves_the_loop_free", says="the event loop itself waits")
async def an_executor_that_is_waited_for(first, second):
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(closing, report) for report in (first, second)]
        return [future.result() for future in futures]


@known_answer(
    "two_reports",
    breaks="leaves_no_connection",
    says="2 of 2 still there",
    because="a connection belongs to the thread that opened it, and nobody",
)
async def threads_that_close_nothing(first, second):
    return await asyncio.gather(asyncio.to_thread(first), asyncio.to_thread(second))


@known_answer("two_reports", breaks="leaves_no_connection", says="belongs to the thread that opened it")
async def closed_by_another_thread(first, second):
    try:
        return await asyncio.gather(asyncio.to_thread(first), asyncio.to_thread(second))
    finally:
        await sync_to_async(connections.close_all)()


@known_answer(
    "two_reports",
    breaks="cleans_up_after_an_error",
    says="2 of 2 still there",
    because="a connection belongs to the thread that opened it, and nobody",
)
async def closed_only_after_success(first, second):
    return await all_of(
        asyncio.to_thread(closes_on_success, first), asyncio.to_thread(closes_on_success, second)
    )


@known_answer("two_reports", breaks="cleans_up_after_an_error", says="swallowed")
async def errors_as_results(first, second):
    run = sync_to_async(closing, thread_sensitive=False)
    return await asyncio.gather(run(first), run(second), return_exceptions=True)


@known_answer("two_reports", breaks="returns_both", says="one gives None, and the other 0")
async def leaves_out_a_report_without_a_result(first, second):
    results = await all_of(asyncio.to_thread(closing, first), asyncio.to_thread(closing, second))
    return [result for result in results if result is not None]


@known_answer("two_reports", breaks="returns_both", says="two_reports(seats_sold, seats_sold)")
async def by_their_functions(first, second):
    results = {}

    def run(report):
        results[report] = closing(report)

    results |= dict.fromkeys((first, second))  # in their order
    await all_of(*(asyncio.to_thread(run, report) for report in results))
    return list(results.values())


@known_answer(
    "two_reports", breaks="cleans_up_after_an_error", says="expected RuntimeError: seats_sold failed for"
)
async def an_error_of_its_own(first, second):
    run = sync_to_async(closing, thread_sensitive=False)
    results = await asyncio.gather(run(first), run(second), return_exceptions=True)
    if any(isinstance(result, Exception) for result in results):
        raise RuntimeError("a report has failed")
    return results


EQUAL_MUTANTS = {
    "arg removal: @sync_to_async(thread_sensitive=False) → @sync_to_async(thread_sensitive=None)": "`None` is as false as `False`"
}
