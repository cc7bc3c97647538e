import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tutorial_project.classroom.checks import Outcome, Reply, Task, Trial
from tutorial_project.classroom.recording import record
from tutorial_project.services import running_services
from tutorial_project.services.client import ask

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


dashboard = Task(
    "dashboard",
    routes=["dashboard/<str:city>/<str:currency>/"],
    hints=(
        "Which of the three answers do you need before you can ask for the next one?",
        "`asyncio.gather` takes several coroutines, starts them all, and gives their results in the same order.",
        '`weather, flights, rates = await asyncio.gather(ask(f"weather/{city}"), …, …)`',
    ),
    praise="Right: three waits, and the page takes as long as the longest of them. A `TaskGroup` would do the same, "
    "and would leave nothing running when one of the three fails.",
)


@dashboard.requirement(
    'answers `GET /dashboard/Lisbon/USD/` with `{"weather": …, "flights": …, "rates": …}`, '
    "each the whole answer of the service of that name"
)
async def answers_with_all_three(trial: Trial) -> None:
    (await trial.get("/dashboard/Lisbon/USD/")).expect(200, json=await answers_for("Lisbon", "USD"))


@dashboard.requirement("asks for the city and the currency in the URL")
async def asks_for_what_the_url_says(trial: Trial) -> None:
    (await trial.get("/dashboard/Kyoto/JPY/")).expect(200, json=await answers_for("Kyoto", "JPY"))


@dashboard.requirement("leaves the event loop free while it waits")
async def leaves_the_loop_free(trial: Trial) -> None:
    (await trial.never_holds_the_loop("/dashboard/Lisbon/USD/")).expect(200)


@dashboard.requirement("has all three questions waiting at the services at the same time")
async def asks_all_three_together(trial: Trial) -> None:
    paths = ("/weather/", "/flights/", "/rates/")
    async with all_waiting(3, *paths, because=IN_TURN, next=START_ALL) as replies:
        replies.append(await trial.get("/dashboard/Lisbon/USD/"))


async def answers_for(city: str, currency: str) -> dict[str, object]:
    names = {"weather": city, "flights": city, "rates": currency}
    return {service: await ask(f"{service}/{place}", wait=0) for service, place in names.items()}


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


booking_page = Task(
    "booking_page",
    routes=["booking-page/<str:city>/<int:nights>/"],
    hints=(
        "Which of the three helpers never awaits anything? An `async def` around a blocking call still blocks.",
        "You cannot change the insurer's package. Which function of `asyncio` runs a sync function on another thread?",
        '`"insurance": await asyncio.to_thread(premium, nights)` in place of `await insurance(nights)`',
    ),
    praise="Right: the insurer's call waits on a thread, and the event loop is free for everybody else. "
    "`sync_to_async(premium)(nights)` would do, and so would a plain `def` view, which runs on a thread as a whole.",
)


@booking_page.requirement(
    "gives the answers of today's page: for `GET /booking-page/Lisbon/7/` "
    '`{"forecast": "24 °C, sunny", "flight": 129, "insurance": 28.0}`, and the same for other journeys'
)
async def gives_the_same_answers(trial: Trial) -> None:
    lisbon = {"forecast": "24 °C, sunny", "flight": 129, "insurance": 28.0}
    kyoto = {"forecast": "19 °C, cloudy", "flight": 890, "insurance": 12.0}
    together = await trial.together("/booking-page/Lisbon/7/", "/booking-page/Kyoto/3/")
    for reply, expected in zip(together.replies, (lisbon, kyoto), strict=True):
        reply.expect(200, json=expected)


@booking_page.requirement("leaves the event loop free while it waits")
async def does_not_hold_the_loop(trial: Trial) -> None:
    (await trial.never_holds_the_loop("/booking-page/Lisbon/1/")).expect(200)


@booking_page.requirement("lets three travellers wait for the insurer at the same time")
async def lets_travellers_wait_together(trial: Trial) -> None:
    words = {
        "because": "the insurer is asked for one traveller after the other: something lets only one of them through",
        "next": "give each request a thread of its own: `await asyncio.to_thread(premium, nights)`",
    }
    async with all_waiting(3, "/rates/", **words) as replies:
        together = await trial.together(*(f"/booking-page/Lisbon/{nights}/" for nights in (1, 2, 3)))
        replies += together.replies
