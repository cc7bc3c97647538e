"""The board that announces departures to its listeners."""

from __future__ import annotations

import asyncio

from tutorial_project.trips.departures import DepartureBoard

KYOTO = {"to": "Kyoto", "gate": 4}


def test_every_listener_hears_of_every_departure() -> None:
    async def main() -> list[dict[str, object]]:
        board = DepartureBoard()
        queues = [board.join(), board.join()]
        await asyncio.to_thread(board.announce, KYOTO)  # from another thread, as from another event loop
        return [await queue.get() for queue in queues]

    assert asyncio.run(main()) == [KYOTO, KYOTO]


def test_who_has_left_hears_nothing() -> None:
    async def main() -> tuple[int, bool]:
        board = DepartureBoard()
        queue = board.join()
        board.leave(queue)
        board.leave(queue)
        board.announce(KYOTO)
        await asyncio.sleep(0)
        return board.listeners, queue.empty()

    assert asyncio.run(main()) == (0, True)
