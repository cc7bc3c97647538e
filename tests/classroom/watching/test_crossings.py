import asyncio
import threading

from asgiref.sync import async_to_sync, sync_to_async

from tutorial_project.classroom.watching.crossings import crossings


def price() -> int:
    return 240


async def price_asked() -> int:
    return await sync_to_async(price)()


def sold() -> int:
    return async_to_sync(price_asked)()


def test_every_way_is_counted_and_named():
    async def ask() -> None:
        await sync_to_async(sold)()

    with crossings() as seen:
        asyncio.run(ask())
    assert seen.into_threads == ["sold", "price"]
    assert seen.onto_the_loop == ["price_asked"]
    assert seen.text == "2 into a thread, 1 back to the event loop, 1 thread"


def test_what_was_wrapped_before_counts_as_well():
    wrapped = sync_to_async(price)
    with crossings() as seen:
        asyncio.run(wrapped())
    assert (seen.into_threads, len(seen.threads)) == (["price"], 1)


def test_threads_are_told_apart():
    both = threading.Barrier(2)

    async def ask() -> None:
        wait = sync_to_async(both.wait, thread_sensitive=False)
        await asyncio.gather(wait(5), wait(5))

    with crossings() as seen:
        asyncio.run(ask())
    assert len(seen.threads) == 2


def test_nothing_is_counted_after_the_block():
    with crossings() as seen:
        pass
    asyncio.run(price_asked())
    assert seen.text == "0 into a thread, 0 back to the event loop, 0 threads"
