from __future__ import annotations

import asyncio
from contextlib import suppress

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.checks.kinds.streams import OpenStream
from tutorial_project.checks.proofs.event_loop import tasks_of
from tutorial_project.services import running_services
from tutorial_project.services.places import quote

from ..shared import PATIENCE, QUICK, SILENT, SLOW, counting_anew, expect_left, patient_get, quotes, replaced


async def _get_while(trial: Trial, path: str, patience: float = PATIENCE, **suppliers: str) -> Reply:
    with replaced(**suppliers) as states:
        return await patient_get(trial, path, f"  while {states}", patience)


# quick_quote

QUICK_QUOTE = "/quick-quote/Lisbon/"


ALBATROS, BOREALIS = quotes("Albatros", "Borealis")


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
    services, before = counting_anew(), asyncio.all_tasks()
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
    with replaced(Albatros=SILENT) as states:
        reply = await patient_get(
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
    services = counting_anew()
    reply = await _get_while(trial, QUICK_QUOTE, Albatros=SILENT)
    reply.expect(200, json=BOREALIS)
    await expect_left(
        services,
        1,
        reply.sent,
        because="`asyncio.wait` and `asyncio.as_completed` cancel nothing: the other task goes on",
        next="`task.cancel()`, in a `finally`",
    )


@quick_quote.requirement("gives up both questions when the traveller leaves before the answer")
async def gives_up_when_the_traveller_leaves(trial: Trial) -> None:
    services = counting_anew()
    with replaced(Albatros=SILENT, Borealis=SILENT) as states:
        async with OpenStream(trial, QUICK_QUOTE) as visit:
            await visit.until(
                lambda: len(services.requests) >= 2,
                "both suppliers asked",
                lambda: {"got": f"{len(services.requests)} asked"},
            )
    await expect_left(
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
