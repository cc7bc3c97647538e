import asyncio

from asgiref.sync import async_to_sync, sync_to_async
from django_async_backend.db import async_connections, async_new_connection

from tutorial_project.checks import known_answer


@known_answer("two_reports", when="Where a report that goes on is of no use when the other one has failed.")
async def in_a_task_group(first, second):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(async_new_connection(report())) for report in (first, second)]
    return [task.result() for task in tasks]


@known_answer("two_reports")
async def in_blocks(first, second):
    async def alone(report):
        async with async_new_connection():
            return await report()

    tasks = [asyncio.create_task(alone(report)) for report in (first, second)]
    await asyncio.wait(tasks)
    return [task.result() for task in tasks]


@known_answer("two_reports")
async def decorated(first, second):
    async with asyncio.TaskGroup() as group:
        one = group.create_task(async_new_connection(first)())
        other = group.create_task(async_new_connection(second)())
    return [one.result(), other.result()]


@known_answer(
    "two_reports",
    breaks="returns_both",
    says="An async connection can only be used by the task",
    because="a connection of django-async-backend belongs to one task, and",
)
async def over_one_connection(first, second):
    return await asyncio.gather(first(), second())


@known_answer(
    "two_reports",
    breaks="returns_both",
    says="An async connection can only be used by the task",
    because="a connection of django-async-backend belongs to one task, and",
)
async def one_new_connection_for_both(first, second):
    async with async_new_connection():
        return await asyncio.gather(first(), second())


@known_answer("two_reports", breaks="runs_them_together", says="awaited one after the other")
async def one_after_another(first, second):
    return [await async_new_connection(first()), await async_new_connection(second())]


@known_answer("two_reports", breaks="starts_no_thread", says="need no thread")
async def in_threads(first, second):
    def alone(report):
        return async_to_sync(async_new_connection(report))()

    run = sync_to_async(alone, thread_sensitive=False)
    return await asyncio.gather(run(first), run(second))


@known_answer("two_reports", breaks="starts_no_thread", says="need no thread")
async def on_loops_of_their_own(first, second):
    def alone(report):
        return asyncio.run(async_new_connection(report()))

    return await asyncio.gather(asyncio.to_thread(alone, first), asyncio.to_thread(alone, second))


async def on_a_connection_by_hand(report):
    async_connections["default"] = async_connections.create_connection("default")
    return await report()


@known_answer("two_reports", breaks="leaves_no_connection", says="no request ends here")
async def nobody_closes(first, second):
    return await asyncio.gather(on_a_connection_by_hand(first), on_a_connection_by_hand(second))


@known_answer("two_reports", breaks="leaves_the_caller_alone", says="closed or replaced the connection")
async def closes_everything(first, second):
    try:
        return await asyncio.gather(async_new_connection(first()), async_new_connection(second()))
    finally:
        await async_connections.close_all()


@known_answer("two_reports", breaks="lets_the_error_out", says="nobody waits for the other report any more")
async def gives_up_with_the_first(first, second):
    return await asyncio.gather(async_new_connection(first()), async_new_connection(second()))


@known_answer("two_reports", breaks="lets_the_error_out", says="the error of a report was swallowed")
async def swallows_the_error(first, second):
    return await asyncio.gather(
        async_new_connection(first()), async_new_connection(second()), return_exceptions=True
    )


@known_answer(
    "two_reports",
    breaks="leaves_the_caller_alone",
    says="on the connection of whoever called",
    because="what runs there is a part of the caller's transaction, and waits",
)
async def one_of_them_on_the_callers(first, second):
    other = asyncio.create_task(async_new_connection(second()))
    try:
        return [await first(), await other]
    finally:
        await asyncio.wait([other])


@known_answer("two_reports", breaks="lets_the_error_out", says="nobody waits for the other report")
async def cancels_the_other_and_goes(first, second):
    tasks = [asyncio.create_task(async_new_connection(report())) for report in (first, second)]
    try:
        return [await task for task in tasks]
    except BaseException:
        for task in tasks:
            task.cancel()
        raise


@known_answer("two_reports", breaks="returns_both", says="where one of them returns None")
async def empty_lists_for_nothing(first, second):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(async_new_connection(report())) for report in (first, second)]
    return [task.result() or [] for task in tasks]


@known_answer("two_reports", breaks="lets_the_error_out", says="the error of the report itself")
async def an_error_of_its_own(first, second):
    try:
        return await in_a_task_group(first, second)
    except* Exception:
        raise RuntimeError("one of the reports failed") from None
