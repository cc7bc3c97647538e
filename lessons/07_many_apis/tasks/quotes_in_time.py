from __future__ import annotations

from tutorial_project.checks import Outcome, Reply, Task, Trial
from tutorial_project.services import running_services

from ..shared import (
    ONE_BY_ONE,
    SEVEN,
    SILENT,
    counting_anew,
    expect_left,
    named,
    patient_get,
    quotes,
    replaced,
    words_about_failures,
)

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
        reply = await trial.get(named("quotes-in-time", *suppliers, city=city))
        reply.expect(200, json={"offers": quotes(*suppliers, city=city), "missing": []})


@quotes_in_time.requirement(
    "lists under `missing`, in the order of the URL, the suppliers that fail with a `ServiceError`"
)
async def names_who_failed(trial: Trial) -> None:
    path = named("quotes-in-time", "Condor", "Albatros", "Borealis")
    with replaced(Condor="/failing", Borealis="/failing") as states:
        reply = await trial.get(path)
    reply.sent += f"  while {states}"
    expected = {"offers": quotes("Albatros"), "missing": ["Condor", "Borealis"]}
    reply.expect(200, json=expected, **words_about_failures(reply))


@quotes_in_time.requirement("leaves the event loop free while it waits")
async def leaves_it_free(trial: Trial) -> None:
    (await trial.never_holds_the_loop(named("quotes-in-time", "Albatros", "Condor"))).expect(200)


@quotes_in_time.requirement("has all questions waiting at the suppliers at the same time")
async def asks_all_together(trial: Trial) -> None:
    # Less than LIMIT: the view must not end the wait before the barrier does.
    with running_services().expect_together(4, ("/quotes/",), timeout=0.3) as barrier:
        reply = await trial.get(named("quotes-in-time", *SEVEN[:4]))
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
    path = named("quotes-in-time", "Albatros", "Condor", "Borealis", "Dunlin")
    with replaced(Condor=SILENT, Dunlin=SILENT) as states:
        reply = await patient_get(
            trial,
            path,
            f"  while {states}",
            because="nothing ends the wait for a silent supplier",
            next="`async with asyncio.timeout(LIMIT):` around the wait for all of them",
        )
    expected = {"offers": quotes("Albatros", "Borealis"), "missing": ["Condor", "Dunlin"]}
    reply.expect(200, json=expected, **_words_about_deadline(reply))


@quotes_in_time.requirement(
    "gives up the questions to silent suppliers: when the page is there, nobody is asked any more"
)
async def gives_up_who_is_late(trial: Trial) -> None:
    services = counting_anew()
    path = named("quotes-in-time", "Albatros", "Condor", "Dunlin")
    with replaced(Condor=SILENT, Dunlin=SILENT) as states:
        reply = await patient_get(trial, path, f"  while {states}")
    reply.expect(200)
    await expect_left(
        services,
        2,
        reply.sent,
        because="the view went on, and the tasks that were late did too",
        next="cancel them: `task.cancel()` for each that is pending, or a `TaskGroup` inside of the timeout",
    )


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
