from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.services.client import ask

from ..shared import IN_TURN, START_ALL, all_waiting

status_board = Task(
    "status_board",
    routes=["status-board/"],
    hints=(
        "Where can you catch the error so that it costs one answer, and not all of them?",
        "Put `try` and `except ServiceError` into a small async function that asks one service, and gather those.",
        "`async def answer_or_error(service):` returns `await ask(service)`, or the `ServiceError` it caught; "
        "then `answers = await asyncio.gather(*(answer_or_error(service) for service in names))`",
    ),
    praise="Right: one failure costs one answer, and a mistake in the code still shows as an error. "
    "`gather(…, return_exceptions=True)` does it too, as long as you raise what is not a `ServiceError`.",
)


@status_board.requirement(
    "answers `GET /status-board/?service=weather/Lisbon&service=flights/Kyoto` with "
    '`{"answers": {"weather/Lisbon": …, "flights/Kyoto": …}, "failed": []}`'
)
async def answers_by_name(trial: Trial) -> None:
    names = ["weather/Lisbon", "flights/Kyoto"]
    expected = {"answers": {name: await ask(name, wait=0) for name in names}, "failed": []}
    (await trial.get(board(*names))).expect(200, json=expected)


@status_board.requirement(
    "answers 200 when services fail, too: it keeps the other answers, and lists the failed ones in the order of the URL"
)
async def keeps_the_good_answers(trial: Trial) -> None:
    good = {"rates/USD": await ask("rates/USD", wait=0)}
    last = "failing?wait=0.1"  # the first in the URL, the last to fail
    expected = {"answers": good, "failed": [last, "busy"]}
    reply = await trial.get(board(last, "rates/USD", "busy"))
    reply.expect(200, json=expected, **what_one_failure_cost(reply))
    reply = await trial.get(board("failing"))
    reply.expect(200, json={"answers": {}, "failed": ["failing"]}, **what_one_failure_cost(reply))


def what_one_failure_cost(reply: Reply) -> dict[str, str]:
    """The cause and the next step, where the reply shows them."""
    around_each = {"next": "put `try` and `except ServiceError` around each question, not around all of them"}
    if "ServiceError is not JSON serializable" in reply.got:
        return {
            "because": "with `return_exceptions=True`, errors stand in the list in the place of answers",
            "next": "sort them out: `isinstance(answer, ServiceError)`",
        }
    if "CancelledError" in reply.got:
        return {"because": "the first error in a `TaskGroup` cancels all of its other tasks"} | around_each
    if "ServiceError" in reply.got:
        return {"because": "the error of one service ends the whole view"} | around_each
    if '"failed": ["busy", "failing' in reply.got:
        return {"because": "the names stand in the order in which they failed"}
    if '"answers": {}' in reply.got:
        return {"because": "the answers that came are lost with those that did not"} | around_each
    return {}


@status_board.requirement("counts only a `ServiceError` as a failure: every other error is raised as ever")
async def raises_every_other_error(trial: Trial) -> None:
    reply = await trial.get(board("rates/USD", "weather/%00"))
    Outcome(reply.sent, reply.got).expect_that(
        reply.error is not None,
        "httpx.InvalidURL, or a group that holds it, to be raised: there is no such URL, so no service was asked",
        because="the view catches more than `ServiceError`, and so it hides mistakes in the code",
        next="catch `ServiceError` alone; of the results of `return_exceptions=True`, raise those that are other errors",
    )


@status_board.requirement("leaves the event loop free while it waits")
async def leaves_the_loop_free_for_others(trial: Trial) -> None:
    (await trial.never_holds_the_loop(board("weather/Lisbon", "failing"))).expect(200)


@status_board.requirement(
    "has all questions waiting at the services at the same time, those that will fail among them"
)
async def asks_all_together(trial: Trial) -> None:
    async with all_waiting(3, "/", because=IN_TURN, next=START_ALL) as replies:
        replies.append(await trial.get(board("weather/Lisbon", "failing", "rates/USD")))


def board(*names: str) -> str:
    return "/status-board/?" + "&".join(f"service={name}" for name in names)
