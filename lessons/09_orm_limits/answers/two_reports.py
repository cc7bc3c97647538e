import asyncio
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connection, connections

from tutorial_project.checks import known_answer

# two_reports


def closing(report):
    try:
        return report()
    finally:
        connection.close()


@known_answer("two_reports")
async def not_thread_sensitive(first, second):
    run = sync_to_async(closing, thread_sensitive=False)
    return list(await asyncio.gather(run(first), run(second)))


@known_answer("two_reports")
async def an_executor_of_its_own(first, second):
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(2)
    try:
        return await asyncio.gather(
            *(loop.run_in_executor(pool, closing, report) for report in (first, second))
        )
    finally:
        pool.shutdown(wait=False)


@known_answer("two_reports")
async def a_context_each_in_a_task_group(first, second):
    async def alone(report):
        async with ThreadSensitiveContext():
            return await sync_to_async(closing)(report)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(alone(report)) for report in (first, second)]
    return [task.result() for task in tasks]


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


@known_answer("two_reports", breaks="runs_them_together", says="had not begun")
async def one_after_the_other(first, second):
    return [await asyncio.to_thread(closing, first), await asyncio.to_thread(closing, second)]


@known_answer("two_reports", breaks="leaves_the_loop_free", says="the event loop itself waits")
async def an_executor_that_is_waited_for(first, second):
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(closing, report) for report in (first, second)]
        return [future.result() for future in futures]


@known_answer("two_reports", breaks="leaves_no_connection", says="2 of 2 still there")
async def threads_that_close_nothing(first, second):
    return await asyncio.gather(asyncio.to_thread(first), asyncio.to_thread(second))


@known_answer("two_reports", breaks="leaves_no_connection", says="belongs to the thread that opened it")
async def closed_by_another_thread(first, second):
    try:
        return await asyncio.gather(asyncio.to_thread(first), asyncio.to_thread(second))
    finally:
        await sync_to_async(connections.close_all)()


@known_answer("two_reports", breaks="cleans_up_after_an_error", says="1 of 2 still there")
async def closed_only_after_success(first, second):
    def alone(report):
        result = report()
        connection.close()
        return result

    return await asyncio.gather(asyncio.to_thread(alone, first), asyncio.to_thread(alone, second))


@known_answer("two_reports", breaks="cleans_up_after_an_error", says="swallowed")
async def errors_as_results(first, second):
    run = sync_to_async(closing, thread_sensitive=False)
    return await asyncio.gather(run(first), run(second), return_exceptions=True)
