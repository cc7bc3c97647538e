"""What the checks of transactions stand on: races that always happen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from tutorial_project.checks import Refusal
from tutorial_project.checks.proofs import postgresql as proofs
from tutorial_project.checks.proofs.connections import (
    on_a_thread_of_its_own,
    statements,
    while_another_task_writes,
)
from tutorial_project.checks.proofs.postgresql import (
    everyone_looks_before_anyone_writes,
    other_process,
    refused_writes,
    started,
)
from tutorial_project.classroom import postgresql
from tutorial_project.classroom.data.connections import connected_to
from tutorial_project.classroom.data.postgresql_server import connect
from tutorial_project.classroom.opening import fresh_sample_database
from tutorial_project.trips.models import Theme, Trip


@pytest.fixture(autouse=True)
def on_postgresql() -> Iterator[None]:
    with connected_to({"default": postgresql()}):
        fresh_sample_database()
        yield


async def dearer() -> None:
    trip = await Trip.objects.aget(pk=7)
    trip.price += 10
    await trip.asave()


@sync_to_async
@transaction.atomic
def dearer_with_a_lock() -> None:
    trip = Trip.objects.select_for_update().get(pk=7)
    trip.price += 10
    trip.save()


@pytest.mark.parametrize(("raise_price", "raised"), [(dearer, 10), (dearer_with_a_lock, 50)])
def test_who_reads_before_writing_loses_every_time_and_who_locks_never(raise_price, raised) -> None:
    async def five_at_once() -> int:
        before = (await Trip.objects.aget(pk=7)).price
        async with other_process() as check:
            calls = [on_a_thread_of_its_own(raise_price()) for _ in range(5)]
            await everyone_looks_before_anyone_writes(check, ["trips_trip"], calls)
        return (await Trip.objects.aget(pk=7)).price - before

    assert asyncio.run(five_at_once()) == raised


@pytest.mark.parametrize("at_commit", [False, True])
def test_a_refused_write_fails_and_later_ones_do_not(at_commit: bool) -> None:
    async def write_twice() -> None:
        async with other_process() as check, refused_writes(check, "trips_trip", at_commit=at_commit):
            with pytest.raises(IntegrityError, match="refused by the check"):
                await dearer_with_a_lock()
        await dearer_with_a_lock()

    asyncio.run(write_twice())


def test_who_blocks_the_event_loop_until_a_row_is_free_gets_it_and_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(proofs, "STOOD_STILL", 1)

    async def wait_on_the_loop() -> None:
        async with other_process() as check:
            await check.hold("trips_trip", "id = 7")
            with connect() as blocking:
                blocking.execute("UPDATE trips_trip SET nights = 1 WHERE id = 7")
            with pytest.raises(Refusal) as refused:
                await check.execute("COMMIT")
            assert "the event loop itself waits" in refused.value.because

    asyncio.run(wait_on_the_loop())
    assert Trip.objects.filter(nights=1).count() == 1


def test_a_row_is_free_unless_somebody_has_locked_it() -> None:
    async def look() -> list[bool]:
        async with other_process() as check, other_process() as another:
            await check.hold("trips_trip", "id = 7")
            return [await another.is_free("trips_trip", f"id = {pk}") for pk in (7, 8)]

    assert asyncio.run(look()) == [False, True]


def test_who_comes_after_the_first_look_is_seen_to_wait_as_well() -> None:
    async def two_after_each_other() -> bool:
        async with other_process() as check:
            await check.hold("trips_trip", "id = 7")
            async with started(on_a_thread_of_its_own(dearer_with_a_lock())) as [first]:
                await check.all_stand_still([first], patiently=True)
                async with started(on_a_thread_of_its_own(dearer_with_a_lock())) as [second]:
                    async with asyncio.timeout(10):
                        while await check.waiting() < 2:
                            await asyncio.sleep(0.01)
                    neither = not first.done() and not second.done()
                    await check.execute("COMMIT")
                    await asyncio.wait([first, second])
                    return neither

    assert asyncio.run(two_after_each_other())


def test_a_proof_that_ends_leaves_the_transactions_of_the_one_beside_it_alone() -> None:
    async def end_one_of_two() -> None:
        async with other_process() as check:
            await check.hold("trips_trip", "id = 7")
            async with started(on_a_thread_of_its_own(dearer_with_a_lock())) as [waiting]:
                await check.all_stand_still([waiting])
                async with other_process():
                    pass
                await check.execute("COMMIT")
                await waiting

    asyncio.run(end_one_of_two())


def test_what_was_started_does_not_outlive_an_error() -> None:
    async def fail() -> bool:
        never = asyncio.get_running_loop().create_future()
        with pytest.raises(ZeroDivisionError):
            async with started(never) as [task]:
                raise ZeroDivisionError
        return task.cancelled()

    assert asyncio.run(fail())


def test_connections_of_checks_do_not_count() -> None:
    async def counted() -> tuple[int, int]:
        async with other_process() as check:
            before = await check.connections()
            with connect():
                return before, await check.connections()

    before, after = asyncio.run(counted())
    assert after == before + 1


def test_what_was_set_up_is_gone_after_an_error() -> None:
    async def fail() -> None:
        async with other_process() as check, refused_writes(check, "trips_trip"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())
    assert Trip.objects.update(price=F("price") + 1) == 60


def test_another_tasks_rows_go_with_a_transaction_that_is_left_open_between_two_awaits() -> None:
    async def hack() -> None:
        atomic = transaction.atomic()
        await sync_to_async(atomic.__enter__)()
        await Trip.objects.acount()
        await sync_to_async(atomic.__exit__)(ValueError, ValueError(), None)

    async def lost(call) -> int:
        _, meanwhile = await while_another_task_writes(call)
        assert meanwhile.error is None
        return len(meanwhile.written) - await Theme.objects.filter(name__in=meanwhile.written).acount()

    assert asyncio.run(lost(hack())) > 0
    assert asyncio.run(lost(dearer_with_a_lock())) == 0


def test_statements_tell_which_belong_to_one_transaction() -> None:
    def two_and_one() -> None:
        with transaction.atomic():
            Trip.objects.filter(pk=1).update(nights=1)
            with transaction.atomic():
                Trip.objects.filter(pk=2).update(nights=1)
        Trip.objects.filter(pk=3).update(nights=1)
        with transaction.atomic():
            Trip.objects.filter(pk=4).update(nights=1)

    connection.close()
    with statements() as sent:
        two_and_one()
    first, second, third, fourth = (s.transaction for s in sent if s.sql.startswith("UPDATE"))
    assert first is second
    assert len({id(first), id(third), id(fourth)}) == 3
