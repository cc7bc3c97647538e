from tutorial_project.checks import Task, Trial
from tutorial_project.services.airline import NotFlownTo

from ..shared import expect_the_loop_free

fare = Task(
    "fare",
    routes=["fares/<str:city>/"],
    hints=(
        "On which thread does `cheapest_fare` wait for the airlines, and where does its error come out?",
        "`sync_to_async` takes the function itself and gives an async one. Call that with the city, and await the "
        "call, inside the `try`.",
        "`try: euros = await sync_to_async(cheapest_fare)(city)`, and then `except NotFlownTo: raise Http404`",
    ),
    praise="Right: the library waits on a thread, and its error comes out at the `await`. As it uses nothing of Django, "
    "`sync_to_async` in both modes would do, and `asyncio.to_thread` as well.",
)


@fare.requirement(
    'answers `GET /fares/Kyoto/` with 200 and `{"city": "Kyoto", "euros": 890}`, as `cheapest_fare` says'
)
async def tells_the_fare(trial: Trial) -> None:
    for city, euros in (("Kyoto", 890), ("Lisbon", 129)):
        (await trial.get(f"/fares/{city}/")).expect(200, json={"city": city, "euros": euros})


@fare.requirement("answers 404 when `cheapest_fare` raises `NotFlownTo`, as in `GET /fares/Atlantis/`")
async def knows_where_nobody_flies(trial: Trial) -> None:
    reply = await trial.get("/fares/Atlantis/")
    words = {}
    if isinstance(reply.error, NotFlownTo):
        words = {
            "because": "the error comes out where the call is awaited, and nothing catches it there",
            "next": "put the `await` into a `try`, with `except NotFlownTo:`",
        }
    reply.expect(404, **words)


@fare.requirement("is an async view, which Django awaits on the event loop")
async def is_async(trial: Trial) -> None:
    await trial.runs_on_the_loop("/fares/Kyoto/")


@fare.requirement("leaves the event loop free for others while the airlines are asked")
async def leaves_the_loop_free(trial: Trial) -> None:
    await expect_the_loop_free(trial, "/fares/Kyoto/")
