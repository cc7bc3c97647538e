from tutorial_project.checks import Task, Trial

from ..shared import all_waiting

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
