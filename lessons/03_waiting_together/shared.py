import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tutorial_project.checks import Outcome, Reply
from tutorial_project.classroom.watching.recording import record
from tutorial_project.services import running_services

IN_TURN = "a question is sent only when another one is answered"


START_ALL = (
    "start all of them, then wait: hand them to `asyncio.gather`, or to the tasks of an `asyncio.TaskGroup`"
)


ONE_THREAD = (
    "the questions stand in line for one thread, as all calls through `sync_to_async` in one request do"
)


@asynccontextmanager
async def all_waiting(number: int, *paths: str, because: str, next: str) -> AsyncIterator[list[Reply]]:
    """Refuse unless `number` questions to these paths are with the services at the same moment.

    The services hold them until all have come, so only questions that overlap are answered. The body of the
    block appends the replies of the answer, which tell what was sent.
    """
    replies: list[Reply] = []
    with running_services().expect_together(number, paths, timeout=1.0) as barrier, record() as recording:
        yield replies
    threads = {span.thread for span in recording.spans if span.kind == "asks"}
    if len(threads) == 1 and threads != {threading.current_thread().name}:
        because, next = ONE_THREAD, "give each question a thread of its own: `asyncio.to_thread(…)`"
    waited = f"at most {barrier.most_waiting} of {number} questions were waiting at the same time"
    words = {"because": because, "next": next} if barrier.most_waiting else {}
    found = Outcome(replies[0].sent, waited)
    found.expect_that(barrier.met, f"{number} questions waiting at the services at the same time", **words)
    for reply in replies:
        reply.expect(200)
