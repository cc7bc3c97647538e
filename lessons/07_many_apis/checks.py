from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from tutorial_project.classroom.checks import Outcome, Reply, Task, Trial, blocking_calls_refused
from tutorial_project.classroom.checks.proofs import first_moment, tasks_of
from tutorial_project.classroom.checks.streams import OpenStream
from tutorial_project.services import Services, running_services
from tutorial_project.services.places import quote

SILENT = "/slow?wait=3"
"""In place of a supplier that never answers: a blocking client in a thread must come back some time."""
PATIENCE = 1.0
"""Seconds, from the first question at a supplier on, after which a view is given up that should have answered."""
QUICK = "/quotes/Albatros/Lisbon?wait=0"
SLOW = "/quotes/Albatros/Lisbon?wait=0.3"
STATES = {"/failing": "down", SILENT: "silent", QUICK: "quick", SLOW: "slow"}
SIX_COME = 0.25
"""Seconds in which a sixth question comes from a view that does not hold it back."""
ONE_BY_ONE = {
    "because": "a question is sent only when another one is answered",
    "next": "make a task of each question: `gather`, or a `TaskGroup`",
}


def _counting_anew() -> Services:
    services = running_services()
    services.forget()
    return services


@contextmanager
def _replaced(**suppliers: str) -> Iterator[str]:
    """Replace what suppliers answer, such as `Condor="/failing"`, and say it in words."""
    services = running_services()
    with ExitStack() as stack:
        for name, by in suppliers.items():
            stack.enter_context(services.replaced(f"/quotes/{name}/", by=by))
        yield ", ".join(f"{name} is {STATES[by]}" for name, by in suppliers.items())


async def _get_while(trial: Trial, path: str, patience: float = PATIENCE, **suppliers: str) -> Reply:
    with _replaced(**suppliers) as states:
        return await _patient_get(trial, path, f"  while {states}", patience)


async def _patient_get(
    trial: Trial, path: str, meanwhile: str = "", patience: float = PATIENCE, **words: str
) -> Reply:
    sent, services = f"GET {path}{meanwhile}", running_services()
    asked_before = len(services.requests)
    with blocking_calls_refused(trial.answer):
        asking = asyncio.ensure_future(trial.get(path))
        try:
            await first_moment(lambda: len(services.requests) > asked_before, asking)
            done, _ = await asyncio.wait({asking}, timeout=patience)
        finally:
            asking.cancel()
            await asyncio.wait({asking})
    if not done:
        waiting = "no answer: the view was still waiting for a supplier, and had to be stopped"
        Reply(sent).refuse(expected="an answer in time", got=waiting, **words)
    reply = asking.result()
    reply.sent = sent
    return reply


def _named(task: str, *suppliers: str, city: str = "Lisbon") -> str:
    return f"/{task}/{city}/?" + "&".join(f"supplier={supplier}" for supplier in suppliers)


def _quotes(*suppliers: str, city: str = "Lisbon") -> list[dict[str, object]]:
    return [quote(supplier, city) for supplier in suppliers]


# compare_prices

SEVEN = ("Albatros", "Borealis", "Condor", "Dunlin", "Eider", "Falcon", "Gannet")

compare_prices = Task(
    "compare_prices",
    routes=["compare-prices/<str:city>/"],
    hints=(
        "All questions can be started at once. What could each of them have to pass before it is sent?",
        "Write a small async function for one supplier: `async with FIVE_AT_A_TIME:` around its question, and `try` and "
        "`except ServiceError` for it. Gather those.",
        "`async def offer(supplier):` `async with FIVE_AT_A_TIME:` `try: return await ask(…)`, `except ServiceError: "
        "return None`; then `await asyncio.gather(*map(offer, suppliers))`, without the `None`, sorted by price",
    ),
    praise="Right: one semaphore for all visitors, and whoever comes out lets the next one in. "
    "Five workers that take names from a queue, started once for the process, would do the same.",
)


@compare_prices.requirement(
    "answers `GET /compare-prices/Lisbon/?supplier=Albatros&supplier=Condor` with "
    '`{"offers": [{"supplier": "Condor", "city": "Lisbon", "price": 205}, …]}`: the whole offer of each, cheapest first'
)
async def sorts_by_price(trial: Trial) -> None:
    reply = await trial.get(_named("compare-prices", "Albatros", "Condor", "Borealis"))
    reply.expect(
        200, json={"offers": _quotes("Condor", "Borealis", "Albatros")}, **_words_about_letters(reply)
    )
    reply = await trial.get(_named("compare-prices", "Albatros", "Gannet", city="Kyoto"))
    reply.expect(200, json={"offers": _quotes("Gannet", "Albatros", city="Kyoto")})


@compare_prices.requirement("leaves out a supplier that fails with a `ServiceError`, and keeps the others")
async def leaves_out_who_fails(trial: Trial) -> None:
    path = _named("compare-prices", "Albatros", "Condor", "Borealis")
    with _replaced(Condor="/failing") as states:
        reply = await trial.get(path)
    reply.sent += f"  while {states}"
    reply.expect(200, json={"offers": _quotes("Borealis", "Albatros")}, **_words_about_failures(reply))


@compare_prices.requirement("leaves the event loop free while it waits")
async def leaves_the_loop_free(trial: Trial) -> None:
    (await trial.never_holds_the_loop(_named("compare-prices", "Albatros", "Condor"))).expect(200)


@compare_prices.requirement(
    "has five questions waiting at the suppliers at the same time, when there are seven"
)
async def asks_five_together(trial: Trial) -> None:
    with running_services().expect_together(5, ("/quotes/",), timeout=0.7) as barrier:
        reply = await trial.get(_named("compare-prices", *SEVEN))
    most = barrier.most_waiting
    words = ONE_BY_ONE if most == 1 else {}
    found = Outcome(reply.sent, f"at most {most} of 7 questions were waiting at the same time")
    found.expect_that(barrier.met, "five questions waiting at the suppliers at the same time", **words)
    reply.expect(200, json={"offers": sorted(_quotes(*SEVEN), key=lambda offer: offer["price"])})


@compare_prices.requirement("never has more than five questions waiting at the suppliers")
async def never_asks_six(trial: Trial) -> None:
    await _expect_at_most_five(
        trial,
        [_named("compare-prices", *SEVEN)],
        because="nothing holds the sixth question back",
        next="`async with FIVE_AT_A_TIME:` around each question, inside the function that asks one supplier",
    )


@compare_prices.requirement("keeps to five when two travellers ask at the same moment")
async def never_asks_six_for_two(trial: Trial) -> None:
    await _expect_at_most_five(
        trial,
        [_named("compare-prices", *SEVEN, city=city) for city in ("Lisbon", "Kyoto")],
        because="each request has a limit of its own, and two requests have two",
        next="one semaphore for all requests, outside of the view: `FIVE_AT_A_TIME`",
    )


async def _expect_at_most_five(trial: Trial, paths: list[str], **words: str) -> None:
    # The barrier holds whoever comes until a sixth is there; for a right answer it gives up.
    services = _counting_anew()
    with services.expect_together(6, ("/quotes/",), timeout=SIX_COME):
        together = await trial.together(*paths)
    for reply in together.replies:
        reply.expect(200)
    most = services.most_waiting
    found = Outcome(together.sent if len(paths) > 1 else together.replies[0].sent, f"{most} at the same time")
    found.expect_that(most <= 5, "at most five questions waiting at the suppliers", **words)


def _words_about_letters(reply: Reply) -> dict[str, str]:
    if '{"supplier": "B", ' in reply.got or "quotes/B/" in reply.got:
        return {
            "because": "a name was taken apart into its letters: `request.GET.get` gives one text, and no list",
            "next": '`request.GET.getlist("supplier")`',
        }
    return {}


def _words_about_failures(reply: Reply) -> dict[str, str]:
    if "ServiceError is not JSON" in reply.got or "'ServiceError' object is not subscriptable" in reply.got:
        return {
            "because": "with `return_exceptions=True`, errors stand in the list in the place of offers",
            "next": "leave them out: `if not isinstance(offer, ServiceError)`",
        }
    if "CancelledError" in reply.got:
        return {
            "because": "the first error in a `TaskGroup` cancels all of its other tasks",
            "next": "put `try` and `except ServiceError` around each question, not around all of them",
        }
    if "ServiceError" in reply.got:
        return {
            "because": "the error of one supplier ends the whole view",
            "next": "put `try` and `except ServiceError` around each question, not around all of them",
        }
    if '{"offers": []' in reply.got:
        return {
            "because": "the offers that came are lost with the one that did not",
            "next": "put `try` and `except ServiceError` around each question, not around all of them",
        }
    return {}


# quotes_in_time

quotes_in_time = Task(
    "quotes_in_time",
    routes=["quotes-in-time/<str:city>/"],
    hints=(
        "When the time is up, `gather` has no result. Where could each answer be kept the moment it arrives?",
        "Let one small task for each supplier put its offer into a dictionary. A `TaskGroup` inside of `asyncio.timeout` "
        "cancels those that are late.",
        "`try:` `async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:` `group.create_task(keep(supplier))` "
        "for each; `except TimeoutError: pass`; then build the two lists in the order of the URL",
    ),
    praise="Right: one deadline for all, the offers that came are kept, and nobody is asked any more. "
    "`asyncio.wait(tasks, timeout=LIMIT)` does it too, as long as you cancel what is pending.",
)


@quotes_in_time.requirement(
    "answers `GET /quotes-in-time/Lisbon/?supplier=Albatros&supplier=Condor` with "
    '`{"offers": [{"supplier": "Albatros", …}, {"supplier": "Condor", …}], "missing": []}`, in the order of the URL'
)
async def lists_the_offers(trial: Trial) -> None:
    for suppliers, city in ((("Condor", "Albatros"), "Lisbon"), (("Heron", "Dunlin", "Ibis"), "Kyoto")):
        reply = await trial.get(_named("quotes-in-time", *suppliers, city=city))
        reply.expect(200, json={"offers": _quotes(*suppliers, city=city), "missing": []})


@quotes_in_time.requirement(
    "lists under `missing`, in the order of the URL, the suppliers that fail with a `ServiceError`"
)
async def names_who_failed(trial: Trial) -> None:
    path = _named("quotes-in-time", "Condor", "Albatros", "Borealis")
    with _replaced(Condor="/failing", Borealis="/failing") as states:
        reply = await trial.get(path)
    reply.sent += f"  while {states}"
    expected = {"offers": _quotes("Albatros"), "missing": ["Condor", "Borealis"]}
    reply.expect(200, json=expected, **_words_about_failures(reply))


@quotes_in_time.requirement("leaves the event loop free while it waits")
async def leaves_it_free(trial: Trial) -> None:
    (await trial.never_holds_the_loop(_named("quotes-in-time", "Albatros", "Condor"))).expect(200)


@quotes_in_time.requirement("has all questions waiting at the suppliers at the same time")
async def asks_all_together(trial: Trial) -> None:
    # Less than LIMIT: the view must not end the wait before the barrier does.
    with running_services().expect_together(4, ("/quotes/",), timeout=0.3) as barrier:
        reply = await trial.get(_named("quotes-in-time", *SEVEN[:4]))
    found = Outcome(
        reply.sent, f"at most {barrier.most_waiting} of 4 questions were waiting at the same time"
    )
    words = ONE_BY_ONE if barrier.most_waiting == 1 else {}
    found.expect_that(barrier.met, "four questions waiting at the suppliers at the same time", **words)


@quotes_in_time.requirement(
    "answers when `LIMIT` seconds are over although suppliers are silent: with the offers that have arrived, and the "
    "silent ones under `missing`"
)
async def keeps_what_arrived(trial: Trial) -> None:
    path = _named("quotes-in-time", "Albatros", "Condor", "Borealis", "Dunlin")
    with _replaced(Condor=SILENT, Dunlin=SILENT) as states:
        reply = await _patient_get(
            trial,
            path,
            f"  while {states}",
            because="nothing ends the wait for a silent supplier",
            next="`async with asyncio.timeout(LIMIT):` around the wait for all of them",
        )
    expected = {"offers": _quotes("Albatros", "Borealis"), "missing": ["Condor", "Dunlin"]}
    reply.expect(200, json=expected, **_words_about_deadline(reply))


@quotes_in_time.requirement(
    "gives up the questions to silent suppliers: when the page is there, nobody is asked any more"
)
async def gives_up_who_is_late(trial: Trial) -> None:
    services = _counting_anew()
    path = _named("quotes-in-time", "Albatros", "Condor", "Dunlin")
    with _replaced(Condor=SILENT, Dunlin=SILENT) as states:
        reply = await _patient_get(trial, path, f"  while {states}")
    reply.expect(200)
    await _expect_left(
        services,
        2,
        reply.sent,
        because="the view went on, and the tasks that were late did too",
        next="cancel them: `task.cancel()` for each that is pending, or a `TaskGroup` inside of the timeout",
    )


async def _expect_left(services: Services, number: int, sent: str, **words: str) -> None:
    with suppress(TimeoutError):
        await services.left(number, timeout=0.5)
    still = services.waiting
    found = Outcome(sent, f"{still} still being asked" if still else f"{services.clients_left} given up")
    expected = f"{number} question{'s' * (number > 1)} given up, as the suppliers see it"
    found.expect_that(services.clients_left == number, expected, **(words if still else {}))


def _words_about_deadline(reply: Reply) -> dict[str, str]:
    if isinstance(reply.error, TimeoutError):
        return {
            "because": "the deadline works, and nobody catches its error",
            "next": "`except TimeoutError:`, and answer with what has arrived",
        }
    if '"offers": []' in reply.got:
        return {
            "because": "what ended the wait took the offers that had arrived with it",
            "next": "put each offer into a dictionary outside of the `async with`, the moment it arrives",
        }
    return {}


# quick_quote

QUICK_QUOTE = "/quick-quote/Lisbon/"
ALBATROS, BOREALIS = _quotes("Albatros", "Borealis")

quick_quote = Task(
    "quick_quote",
    routes=["quick-quote/<str:city>/"],
    hints=(
        "After `HEDGE_AFTER` seconds, must the first question be given up, or can it go on beside the second?",
        "`asyncio.wait({albatros}, timeout=HEDGE_AFTER)` waits for a task and does not cancel it. Then wait for both with "
        "`FIRST_COMPLETED`, and go on waiting while what is done has failed.",
        "`while waiting:` `done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)`, return the "
        "result of a task in `done` whose `exception()` is None; after the loop the 502; all in `try`, and in `finally` "
        "`task.cancel()` for each task",
    ),
    praise="Right: the second question is sent only when it may help, and the loser is given up on every way out. "
    "`asyncio.shield` in a `wait_for` would keep the first question alive as well.",
)


@quick_quote.requirement(
    "answers `GET /quick-quote/Lisbon/` with the offer of Albatros, "
    '`{"supplier": "Albatros", "city": "Lisbon", "price": 290}`, when Albatros is quick'
)
async def answers_with_albatros(trial: Trial) -> None:
    (await trial.get(QUICK_QUOTE)).expect(200, json=ALBATROS)
    (await trial.get("/quick-quote/Kyoto/")).expect(200, json=quote("Albatros", "Kyoto"))


@quick_quote.requirement("leaves the event loop free while it waits")
async def leaves_others_free(trial: Trial) -> None:
    (await trial.never_holds_the_loop(QUICK_QUOTE)).expect(200)


@quick_quote.requirement("does not ask Borealis when Albatros is quick")
async def asks_only_one(trial: Trial) -> None:
    services, before = _counting_anew(), asyncio.all_tasks()
    reply = await _get_while(trial, QUICK_QUOTE, Albatros=QUICK)
    reply.expect(200, json=ALBATROS)
    if tasks_of(trial.answer, before):  # one of them may be about to ask Borealis
        with suppress(TimeoutError):
            await services.arrived(2, timeout=1)
    asked = [request.path.split("/")[2] for request in services.requests]
    words = {
        "because": "the question to Borealis did not depend on what Albatros does",
        "next": "wait for the first task alone, and start no other before: "
        "`await asyncio.wait({albatros}, timeout=HEDGE_AFTER)`",
    }
    Outcome(reply.sent, f"asked: {', '.join(asked)}").expect_that(
        asked == ["Albatros"], "one question, to Albatros", **(words if "Borealis" in asked else {})
    )


@quick_quote.requirement(
    "answers with the offer of Borealis when Albatros is down, or silent for `HEDGE_AFTER` seconds"
)
async def falls_back(trial: Trial) -> None:
    reply = await _get_while(trial, QUICK_QUOTE, Albatros="/failing")
    words = _words_about_errors(reply)
    if reply.status == 502:
        words = {
            "because": "a task that failed is done, too, and nobody waited for the offer of Borealis",
            "next": "ask Borealis also when the first task has an `exception()`, and wait again while a task is left",
        }
    reply.expect(200, json=BOREALIS, **words)
    with _replaced(Albatros=SILENT) as states:
        reply = await _patient_get(
            trial,
            QUICK_QUOTE,
            f"  while {states}",
            because="the view waits for Albatros to the end before it looks at Borealis",
            next="`asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)`",
        )
    reply.expect(200, json=BOREALIS, **_words_about_errors(reply))


@quick_quote.requirement(
    "goes on waiting for Albatros while it asks Borealis, and answers with the offer that comes first"
)
async def keeps_the_first_question(trial: Trial) -> None:
    reply = await _both_waiting(trial, Albatros=QUICK, Borealis=SILENT)
    reply.expect(200, json=ALBATROS)


@quick_quote.requirement("does not take an error for the answer: it waits for the other supplier")
async def waits_for_a_good_answer(trial: Trial) -> None:
    reply = await _both_waiting(trial, Albatros=SLOW, Borealis="/failing")
    reply.expect(200, json=ALBATROS, **_words_about_errors(reply))


@quick_quote.requirement("answers 502 when both suppliers are down")
async def says_when_nobody_answers(trial: Trial) -> None:
    reply = await _get_while(trial, QUICK_QUOTE, Albatros="/failing", Borealis="/failing")
    words = {}
    if "ServiceError" in reply.got:
        words = {
            "because": "the error of the last supplier left the view, which is a 500 for the visitor",
            "next": "`return JsonResponse({…}, status=502)`",
        }
    reply.expect(502, **words)


@quick_quote.requirement("gives up the question to the loser")
async def gives_up_the_loser(trial: Trial) -> None:
    services = _counting_anew()
    reply = await _get_while(trial, QUICK_QUOTE, Albatros=SILENT)
    reply.expect(200, json=BOREALIS)
    await _expect_left(
        services,
        1,
        reply.sent,
        because="`asyncio.wait` and `asyncio.as_completed` cancel nothing: the other task goes on",
        next="`task.cancel()`, in a `finally`",
    )


@quick_quote.requirement("gives up both questions when the traveller leaves before the answer")
async def gives_up_when_the_traveller_leaves(trial: Trial) -> None:
    services = _counting_anew()
    with _replaced(Albatros=SILENT, Borealis=SILENT) as states:
        async with OpenStream(trial, QUICK_QUOTE) as visit:
            await visit.until(
                lambda: len(services.requests) >= 2,
                "both suppliers asked",
                lambda: {"got": f"{len(services.requests)} asked"},
            )
    await _expect_left(
        services,
        2,
        f"GET {QUICK_QUOTE}  while {states}, and the traveller leaves",
        because="the view was cancelled, and its tasks were not: nothing cancels a task but its own `cancel()`",
        next="cancel them in a `finally`, which runs on this way out too",
    )


async def _both_waiting(trial: Trial, **suppliers: str) -> Reply:
    """Send a request; both suppliers hold their questions until both are there."""
    with running_services().expect_together(2, ("/quotes/",), timeout=0.8) as barrier:
        reply = await _get_while(trial, QUICK_QUOTE, 2 * PATIENCE, **suppliers)
    Outcome(reply.sent, "one question at a time").expect_that(
        barrier.met,
        "both questions waiting at the same time",
        because="the question to Albatros was given up, or over, before that to Borealis was sent",
        next="`asyncio.wait` with a `timeout` leaves the task alone; `wait_for` and `asyncio.timeout` cancel it",
    )
    return reply


def _words_about_errors(reply: Reply) -> dict[str, str]:
    if "ServiceError" in reply.got:
        return {
            "because": "a task that failed is done, too, and its `result()` raises",
            "next": "look at `task.exception()` before you take the result, and wait for the other one",
        }
    if reply.status == 502:
        return {
            "because": "the first task that was done had failed, and the other one was still on its way",
            "next": "wait again while a task is left: `while waiting:`",
        }
    return {}
