"""What is known to be right and wrong.  PYTEST_DONT_REWRITE: a learner's `assert` is not rewritten either."""

from unittest.mock import AsyncMock, patch

from aiohttp import web
from aiohttp.test_utils import TestServer
from django.conf import settings
from django.test import AsyncClient, Client, override_settings

from tutorial_project.checks import known_answer
from tutorial_project.services import start_services

from ..shared import service


async def weather(request):
    sky = {"Bergen": "rain", "Athens": "sunny"}.get(request.match_info["city"])
    return web.json_response({"sky": sky}, status=200 if sky else 500)


@known_answer("test_umbrella", when="Where each test says what its service answers, next to what it expects.")
async def a_service_of_its_own_for_each_request():
    def says(sky, status=200):
        async def handler(request):
            return web.json_response({"sky": sky}, status=status)

        return service("/weather/{city}", handler)

    async with says("rain"):
        response = await AsyncClient().get("/umbrella/Hanoi/")
        assert response.json() == {"city": "Hanoi", "umbrella": True}
    async with says("snow"):
        response = await AsyncClient().get("/umbrella/Bergen/")
        assert response.json() == {"city": "Bergen", "umbrella": False}
    async with says("rain", status=503):
        assert (await AsyncClient().get("/umbrella/Bergen/")).status_code == 502


@known_answer(
    "test_umbrella", when="Where one fake of all services runs for all tests, and a test changes one of them."
)
async def the_tutorials_own_services():
    client = AsyncClient()
    services = start_services()
    with override_settings(SERVICES_URL=services.url):
        bergen = await client.get("/umbrella/Bergen/")
        athens = await client.get("/umbrella/Athens/")
        with services.replaced("/weather", by="/failing"):
            failed = await client.get("/umbrella/Athens/")
    assert (bergen.json()["umbrella"], athens.json()["umbrella"]) == (True, False)
    assert athens.json()["city"] == "Athens"
    assert failed.status_code == 502


@known_answer(
    "test_umbrella", breaks="passes_for_every_client", says="what the test has replaced is not the service"
)
async def mocks_the_client():
    with patch("aiohttp.ClientSession.get") as get:
        answer = get.return_value.__aenter__.return_value
        answer.status, answer.json = 200, AsyncMock(return_value={"sky": "rain"})
        response = await AsyncClient().get("/umbrella/Bergen/")
    assert response.json()["umbrella"]


@known_answer(
    "test_umbrella",
    breaks="passes_for_every_client",
    says="`async_to_sync` was called where an event loop is running",
)
async def uses_the_sync_client():
    async with service("/weather/{city}", weather):
        assert Client().get("/umbrella/Bergen/").status_code == 200


@known_answer("test_umbrella", breaks="passes_for_every_client", says="`assert response.status_code == 500`")
async def expects_the_status_of_the_service():
    async with service("/weather/{city}", weather):
        response = await AsyncClient().get("/umbrella/Atlantis/")
    assert response.status_code == 500


@known_answer("test_umbrella", breaks="passes_for_every_client", says="`async with`")
async def opens_the_service_with_a_plain_with():
    with service("/weather/{city}", weather):
        await AsyncClient().get("/umbrella/Bergen/")


@known_answer("test_umbrella", breaks="passes_for_every_client", says="something was called and not awaited")
async def forgets_to_await():
    async with service("/weather/{city}", weather):
        response = AsyncClient().get("/umbrella/Bergen/")
    assert response.json() == {"city": "Bergen", "umbrella": True}


@known_answer(
    "test_umbrella",
    breaks="fails_for_one_answer",
    says="a view that always says yes",
    because="nothing in the test tells this view from one that is right",
)
async def looks_at_the_rain_only():
    async with service("/weather/{city}", weather):
        response = await AsyncClient().get("/umbrella/Bergen/")
    assert response.json() == {"city": "Bergen", "umbrella": True}


@known_answer(
    "test_umbrella",
    breaks="fails_for_one_answer",
    says="a view that always says yes",
    because="nothing in the test tells this view from one that is right",
)
async def looks_at_the_status():
    async with service("/weather/{city}", weather):
        for city in ("Bergen", "Athens"):
            assert (await AsyncClient().get(f"/umbrella/{city}/")).status_code == 200


@known_answer(
    "test_umbrella",
    breaks="fails_for_one_answer",
    says="a view that always says yes",
    because="nothing in the test tells this view from one that is right",
)
async def swallows_its_own_assertion():
    async with service("/weather/{city}", weather):
        try:
            response = await AsyncClient().get("/umbrella/Athens/")
            assert response.json()["umbrella"] is False
        except Exception as error:
            print("failed", type(error).__name__, end="\r")


async def umbrellas():
    bergen = await AsyncClient().get("/umbrella/Bergen/")
    athens = await AsyncClient().get("/umbrella/Athens/")
    return bergen.json(), athens.json()


@known_answer(
    "test_umbrella",
    breaks="fails_for_another_city",
    says="a view that names Bergen for every city",
    because="nothing in the test tells this view from one that is right",
)
async def looks_at_the_umbrellas_only():
    async with service("/weather/{city}", weather):
        bergen, athens = await umbrellas()
    assert bergen["umbrella"]
    assert not athens["umbrella"]


BOTH = ({"city": "Bergen", "umbrella": True}, {"city": "Athens", "umbrella": False})


@known_answer(
    "test_umbrella",
    breaks="fails_for_swallowed_errors",
    says="a view that answers 200 and no umbrella when",
    because="nothing in the test tells this view from one that is right",
)
async def lets_the_service_work_always():
    async with service("/weather/{city}", weather):
        assert await umbrellas() == BOTH


@known_answer(
    "test_umbrella", breaks="puts_the_address_back", says="the next test would ask a server that is gone"
)
async def sets_the_address_by_hand():
    application = web.Application()
    application.router.add_get("/weather/{city}", weather)
    async with TestServer(application) as server:
        settings.SERVICES_URL = str(server.make_url("")).rstrip("/")
        assert await umbrellas() == BOTH
        assert (await AsyncClient().get("/umbrella/Atlantis/")).status_code == 502


@known_answer("test_umbrella", breaks="puts_the_address_back", says="with a broken view")
async def puts_the_address_back_when_it_passes():
    before = settings.SERVICES_URL
    application = web.Application()
    application.router.add_get("/weather/{city}", weather)
    async with TestServer(application) as server:
        settings.SERVICES_URL = str(server.make_url("")).rstrip("/")
        assert await umbrellas() == BOTH
        assert (await AsyncClient().get("/umbrella/Atlantis/")).status_code == 502
    settings.SERVICES_URL = before


@known_answer(
    "test_umbrella",
    breaks="fails_for_swallowed_errors",
    says="a view that answers 200 and an error",
    because="nothing in the test tells this view from one that is right",
)
async def compares_the_words_of_the_error():
    async with service("/weather/{city}", weather):
        assert await umbrellas() == BOTH
        assert (await AsyncClient().get("/umbrella/Atlantis/")).json() == {"error": "no weather today"}


@known_answer("test_umbrella", breaks="fails_for_one_answer", says="nobody looks at what a test returns")
async def returns_what_it_found():
    async with service("/weather/{city}", weather):
        return await umbrellas() == BOTH


@known_answer("test_umbrella")
async def a_table_of_cities():
    table = {"Bergen": (200, True), "Athens": (200, False), "Nowhere": (502, None)}
    client = AsyncClient(raise_request_exception=False)
    async with service("/weather/{city}", weather):
        for city, (status, needed) in table.items():
            response = await client.get(f"/umbrella/{city}/")
            assert response.status_code == status, city
            assert status != 200 or response.json() == {"city": city, "umbrella": needed}


@known_answer(
    "test_umbrella",
    breaks="fails_for_swallowed_errors",
    says="a view that answers 500",
    because="nothing in the test tells this view from one that is right",
)
async def any_error_of_the_server_will_do():
    client = AsyncClient(raise_request_exception=False)
    async with service("/weather/{city}", weather):
        for city, needed in (("Bergen", True), ("Athens", False)):
            assert (await client.get(f"/umbrella/{city}/")).json() == {"city": city, "umbrella": needed}
        assert (await client.get("/umbrella/Nowhere/")).status_code >= 500


@known_answer("test_umbrella", breaks="puts_the_address_back", says="with a view that raises")
async def puts_it_back_after_its_own_asserts_alone():
    application = web.Application()
    application.router.add_get("/weather/{city}", weather)
    before = settings.SERVICES_URL
    async with TestServer(application) as server:
        settings.SERVICES_URL = str(server.make_url("")).rstrip("/")
        client = AsyncClient()
        try:
            for city, needed in (("Bergen", True), ("Athens", False)):
                assert (await client.get(f"/umbrella/{city}/")).json() == {"city": city, "umbrella": needed}
            assert (await client.get("/umbrella/Nowhere/")).status_code == 502
        except AssertionError:
            settings.SERVICES_URL = before
            raise
        settings.SERVICES_URL = before


@known_answer(
    "test_umbrella",
    breaks="fails_for_swallowed_errors",
    says="a view that answers 500, as it raises, when",
    because="nothing in the test tells this view from one that is right",
)
async def takes_an_error_of_the_view_for_a_502():
    async with service("/weather/{city}", weather):
        assert await umbrellas() == BOTH
        try:
            response = await AsyncClient().get("/umbrella/Atlantis/")
        except Exception:
            return
    assert response.status_code == 502


asked = []


@known_answer("test_umbrella", breaks="fails_for_one_answer", says="with the view above, after a broken one")
async def counts_its_questions_from_the_run_before():
    async def counted(request):
        asked.append(request.path)
        return await weather(request)

    async with service("/weather/{city}", counted):
        assert await umbrellas() == BOTH
        assert (await AsyncClient().get("/umbrella/Atlantis/")).status_code == 502
    assert len(asked) == 3
    asked.clear()


EQUAL_MUTANTS = {
    "local as global: …": "a test runs alone",
    "order of two: …": "the questions may be asked in any order, as none changes anything",
}
