import asyncio
import contextlib
import io
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.db import connection, transaction

from tutorial_project.checks import known_answer


@known_answer(
    "reload_agency",
    when="Where the command shall not hold up other queries of this notebook, and closes its own connection.",
)
async def another_thread_with_its_own_connection():
    text = io.StringIO()

    def run():
        try:
            call_command("load_sample_data", stdout=text)
        finally:
            connection.close()

    await asyncio.to_thread(run)
    return text.getvalue().strip()


@known_answer("reload_agency")
async def redirected_output():
    with contextlib.redirect_stdout(io.StringIO()) as text:
        await sync_to_async(call_command)("load_sample_data")
    return text.getvalue()


@known_answer("reload_agency", when="Where you choose the number of threads, as for many commands.")
async def a_pool_that_is_awaited():
    text = io.StringIO()

    def run():
        try:
            call_command("load_sample_data", stdout=text)
            return text.getvalue()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, run)


@known_answer(
    "reload_agency",
    breaks="returns_what_the_command_printed",
    says="SynchronousOnlyOperation",
    because="the database (or something else that is sync only) was used",
)
async def command_on_the_loop():
    text = io.StringIO()
    call_command("load_sample_data", stdout=text)
    return text.getvalue()


@known_answer(
    "reload_agency", breaks="returns_what_the_command_printed", says="`call_command(…)` is called first"
)
async def called_before_it_is_wrapped():
    text = io.StringIO()
    await sync_to_async(call_command("load_sample_data", stdout=text))
    return text.getvalue()


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="the call was not awaited")
async def not_awaited():
    text = io.StringIO()
    sync_to_async(call_command)("load_sample_data", stdout=text)
    return text.getvalue()


@known_answer(
    "reload_agency", breaks="returns_what_the_command_printed", says="`call_command` does not return it"
)
async def what_call_command_returns():
    return await sync_to_async(call_command)("load_sample_data")


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="not the text in it")
async def the_stringio_itself():
    text = io.StringIO()
    await sync_to_async(call_command)("load_sample_data", stdout=text)
    return text


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="takes the function alone")
async def arguments_to_the_wrapper():
    text = io.StringIO()
    await sync_to_async(call_command, "load_sample_data")
    return text.getvalue()


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="it was not called")
async def awaits_the_wrapper():
    text = io.StringIO()
    await sync_to_async(call_command)
    return text.getvalue()


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="an empty text")
async def reads_on_from_the_end():
    text = io.StringIO()
    await sync_to_async(call_command)("load_sample_data", stdout=text)
    return text.read()


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="printed this time")
async def loads_only_once():
    if not hasattr(loads_only_once, "text"):
        text = io.StringIO()
        await sync_to_async(call_command)("load_sample_data", stdout=text)
        loads_only_once.text = text.getvalue()
    return loads_only_once.text


@known_answer("reload_agency", breaks="lets_the_loop_run", says="waits for the thread without `await`")
async def blocks_until_the_thread_is_done():
    text = io.StringIO()

    def run():
        try:
            call_command("load_sample_data", stdout=text)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()
    return text.getvalue()


@known_answer("reload_agency", breaks="lets_the_loop_run", says="waits for the thread without `await`")
async def leaves_the_pool_before_it_waits():
    text = io.StringIO()

    def run():
        try:
            call_command("load_sample_data", stdout=text)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        future = asyncio.get_running_loop().run_in_executor(pool, run)
    await future
    return text.getvalue()


@known_answer(
    "reload_agency",
    breaks="lets_the_loop_run",
    says="ran in the event loop's own thread",
    because="the guard against sync queries in the loop was tricked or",
)
async def the_guard_switched_off():
    text = io.StringIO()
    with mock.patch.dict("os.environ", {"DJANGO_ALLOW_ASYNC_UNSAFE": "true"}):
        call_command("load_sample_data", stdout=text)
    return text.getvalue()


kept, emptied = io.StringIO(), io.StringIO()


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="printed this time")
async def one_text_for_all_calls():
    await sync_to_async(call_command)("load_sample_data", stdout=kept)
    return kept.getvalue()


@known_answer("reload_agency", breaks="returns_what_the_command_printed", says="printed this time")
async def empties_the_text_and_goes_on_where_it_stood():
    emptied.truncate(0)
    await sync_to_async(call_command)("load_sample_data", stdout=emptied)
    return emptied.getvalue()


@known_answer(
    "reload_agency",
    breaks="brings_back_what_was_deleted",
    says="brings back",
    because="the text came back, but the command has not run on this database",
)
async def takes_all_of_it_back():
    def rolled_back():
        text = io.StringIO()
        with transaction.atomic():
            call_command("load_sample_data", stdout=text)
            transaction.set_rollback(True)
        return text.getvalue()

    return await sync_to_async(rolled_back)()


@known_answer("reload_agency", breaks="lets_the_loop_run", says="or the end of a pool's `with`")
async def gives_way_once_and_blocks():
    text = io.StringIO()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(call_command, "load_sample_data", stdout=text)
        await asyncio.sleep(0)
    return text.getvalue()


@known_answer("reload_agency")
async def looks_again_and_again():
    text = io.StringIO()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(call_command, "load_sample_data", stdout=text)
        while not done.done():
            await asyncio.sleep(0.01)
        await asyncio.get_running_loop().run_in_executor(pool, lambda: connection.close())
        done.result()
    return text.getvalue()


@known_answer("reload_agency", breaks="brings_back_what_was_deleted", says="before the command was done")
async def waits_a_second_and_a_half():
    text = io.StringIO()
    command = asyncio.ensure_future(asyncio.to_thread(call_command, "load_sample_data", stdout=text))
    await asyncio.wait([command], timeout=1.5)
    return text.getvalue()


EQUAL_MUTANTS = {
    "local as global: nothing → global text": "nothing is said of two calls at once: `redirect_stdout`, which mixes them up, "
    "is a right answer, too",
}
