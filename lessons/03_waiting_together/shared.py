import threading
from collections.abc import Callable, Mapping
from typing import Any

from tutorial_project.checks import Outcome, Reply, Trial
from tutorial_project.checks.kinds.lanes import lanes
from tutorial_project.checks.kinds.questions import all_saying, held_questions, questions, words_about_memory
from tutorial_project.classroom.watching.recording import record

IN_TURN = "a question is sent only when another one is answered"


START_ALL = (
    "start all of them, then wait: hand them to `asyncio.gather`, or to the tasks of an `asyncio.TaskGroup`"
)


THREADS_OF_THEIR_OWN = (
    "start all of them, each on a thread of its own: `asyncio.gather(asyncio.to_thread(…), …)`. All calls through "
    "`sync_to_async` in one request share one thread"
)


SOLD_SEPARATELY = "the second visitor's questions are not sent before the first one's are answered"


Said = Mapping[str, Any]


async def expect_news(
    trial: Trial, path: str, made_up: Callable[[], tuple[Said, Any]], earlier: Any = None
) -> None:
    """Ask twice, and refuse an answer that is not what the services say at that moment.

    Args:
        trial: the answer.
        path: the request.
        made_up: makes up what the services say, and what must be answered then.
        earlier: what was answered to this request before.
    """
    for _ in range(2):
        said, expected = made_up()
        with all_saying(said):
            reply = await trial.get(path)
            reply.expect(200, json=expected, **words_about_memory(reply, earlier))
        earlier = expected


async def expect_all_waiting(trial: Trial, said: Said, answers: Mapping[str, Any], at: list[str]) -> bool:
    """Refuse unless all questions of one request wait at the same moment, and then those of several requests.

    Args:
        trial: the answer.
        said: what the services say, by path; each request asks for as many of them.
        answers: what each of these requests must be answered.
        at: how the paths of the questions begin.

    Returns:
        whether all questions were asked on this thread, which is that of the event loop.
    """
    paths = list(answers)
    each = len(said) // len(paths)
    for number, sent in ((each, paths[:1]), (each * len(paths), paths)):
        with all_saying(said), record() as recording:
            async with held_questions(trial, *sent, at=at) as held:
                await held.until_waiting(number)
                waited = len(held.waited)
                replies = await held.replies(
                    f"with {len(sent) - 1} other at the same moment" * (len(sent) > 1)
                )
        threads = {span.thread for span in recording.spans if span.kind == "asks" and span.name != "echo"}
        refuse_less(replies[0], waited, number, each, threads)
        for reply, path in zip(replies, sent, strict=True):
            reply.expect(200, json=answers[path])
    return threads == {threading.current_thread().name}


def refuse_less(reply: Reply, waited: int, number: int, each: int, threads: set[str]) -> None:
    """Refuse when fewer questions waited than there are; alone, none of an answer that failed before it asked."""
    if reply.error is not None and not waited:
        reply.expect(200)
    words = {}
    if number > each and waited == each:
        words = {"because": SOLD_SEPARATELY}
    elif 0 < waited < each:
        on_a_thread = threads.isdisjoint({threading.current_thread().name})
        words = {"because": IN_TURN}
        if waited == 1 or each == 3:  # else it starts them, and holds some back
            words["next"] = THREADS_OF_THEIR_OWN if on_a_thread else START_ALL
    Outcome(reply.sent, f"at most {waited} of {number} questions were waiting at the same time").expect_that(
        waited == number,
        f"{number} questions waiting at the services at the same time",
        **words,
        **lanes(questions()),
    )
