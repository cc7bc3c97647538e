from tutorial_project.checks import Task, Trial
from tutorial_project.services.client import ask

from ..shared import IN_TURN, START_ALL, all_waiting

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
