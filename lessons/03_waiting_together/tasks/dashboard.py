from typing import Any

from tutorial_project.checks import Task, Trial
from tutorial_project.checks.kinds.made_up import made_up_flights, made_up_rate, made_up_weather
from tutorial_project.checks.kinds.questions import all_saying, expect_free_while_waiting, held_questions
from tutorial_project.services.places import flights, rate, weather

from ..shared import Said, expect_all_waiting, expect_news

AT = ["/weather/", "/flights/", "/rates/"]
LISBON, KYOTO = "/dashboard/Lisbon/USD/", "/dashboard/Kyoto/JPY/"

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
    "each the whole answer that the service of that name gives now"
)
async def answers_with_all_three(trial: Trial) -> None:
    found = {"weather": weather("Lisbon"), "flights": flights("Lisbon"), "rates": rate("USD")}
    (await trial.get(LISBON)).expect(200, json=found)
    await expect_news(trial, LISBON, lambda: made_up("Lisbon", "USD"), found)


@dashboard.requirement("asks for the city and the currency in the URL")
async def asks_for_what_the_url_says(trial: Trial) -> None:
    for city, currency in (
        ("Bergen", "JPY"),
        ("Kyoto", "NZD"),
        ("Rio de Janeiro", "NZD"),
        ("san Juan, Uruguay", "USDC"),
    ):
        said, expected = made_up(city, currency)
        with all_saying(said):
            (await trial.get(f"/dashboard/{city}/{currency}/")).expect(200, json=expected)


@dashboard.requirement("leaves the event loop free while it waits, for whichever service")
async def leaves_the_loop_free(trial: Trial) -> None:
    await expect_free_while_waiting(trial, LISBON, made_up("Lisbon", "USD")[0])


@dashboard.requirement(
    "has all three questions waiting at the services at the same time, and all six of two visitors; each "
    "visitor gets what they have asked for"
)
async def asks_all_three_together(trial: Trial) -> None:
    (lisbon, for_lisbon), (kyoto, for_kyoto) = made_up("Lisbon", "USD"), made_up("Kyoto", "JPY")
    await expect_all_waiting(trial, {**lisbon, **kyoto}, {LISBON: for_lisbon, KYOTO: for_kyoto}, AT)
    await keeps_visitors_apart(trial)


async def keeps_visitors_apart(trial: Trial) -> None:
    """Three visitors at the same moment, two with the same city and two with the same currency.

    The rates of the first and the third are the last to be answered.
    """
    said = {**made_up("Kyoto", "JPY")[0], **made_up("Lisbon", "USD")[0]}
    pages = {
        f"/dashboard/{city}/{currency}/": {
            "weather": said[f"weather/{city}"],
            "flights": said[f"flights/{city}"],
            "rates": said[f"rates/{currency}"],
        }
        for city, currency in (("Lisbon", "USD"), ("Lisbon", "JPY"), ("Kyoto", "USD"))
    }
    with all_saying(said):
        async with held_questions(trial, *pages, at=[f"/{name}" for name in said]) as held:
            await held.until_waiting(3 * len(pages))
            for name in said.keys() - {"rates/USD"}:
                held.holds[f"/{name}"].release()
            await held.until_quiet()
            replies = await held.replies("with 2 others at the same moment")
    for reply, expected in zip(replies, pages.values(), strict=True):
        reply.expect(200, json=expected)


def made_up(city: str, currency: str) -> tuple[Said, dict[str, Any]]:
    """What the services say, and the page that holds it."""
    found = {
        "weather": made_up_weather(city),
        "flights": made_up_flights(city),
        "rates": made_up_rate(currency),
    }
    places = {"weather": city, "flights": city, "rates": currency}
    return {f"{service}/{places[service]}": content for service, content in found.items()}, found
