import asyncio
import gc
import warnings
from collections.abc import Iterator

import pytest
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path

from tutorial_project.checks import NotStarted, Refusal, Reply, Task, Trial
from tutorial_project.checks.kinds.middleware import WSGISite, asgi_site, expect_a_response

VIEWS = [path("welcome/", lambda request: HttpResponse("welcome"))]


def trial_of(answer):
    return Trial(answer, Task("answer", (), "", application=lambda answer: asgi_site(answer, VIEWS)))


def under_asgi(answer) -> Reply:
    return asyncio.run(trial_of(answer).get("/welcome/"))


def under_wsgi(answer) -> Reply:
    return asyncio.run(WSGISite(trial_of(answer), VIEWS).request("/welcome/"))


@pytest.fixture(autouse=True)
def forgotten_awaits_are_collected() -> Iterator[None]:
    # They are forgotten on purpose; the warning comes whenever the coroutine is collected.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
        yield
        gc.collect()


both = pytest.mark.parametrize("sent", [under_asgi, under_wsgi])


@both
def test_the_answer_is_part_of_the_chain(sent):
    def loud(get_response):
        return lambda request: HttpResponse(get_response(request).content.upper())

    assert sent(loud).text == "WELCOME"


@both
def test_a_stub_is_not_started(sent):
    def stub(get_response):
        raise NotImplementedError

    with pytest.raises(NotStarted):
        sent(stub)


@both
def test_an_error_of_the_factory_is_kept_for_the_verdict(sent):
    def failing(get_response):
        raise LookupError("no such setting")

    assert isinstance(sent(failing).error, LookupError)


class Unmarked:
    sync_capable = async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response

    async def __call__(self, request):
        return await self.get_response(request)


def test_a_coroutine_for_the_middleware_outside_is_named():
    def site(answer):
        return asgi_site(answer, VIEWS, ["django.middleware.security.SecurityMiddleware"])

    trial = Trial(Unmarked, Task("answer", (), "", application=site))
    with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True), pytest.raises(Refusal) as refusal:
        expect_a_response(asyncio.run(trial.get("/welcome/")))
    assert refusal.value.next == "`markcoroutinefunction(self)` in `__init__`"


def test_a_coroutine_under_wsgi_is_named():
    with pytest.raises(Refusal, match="expected a response") as refusal:
        under_wsgi(Unmarked)
    assert "around a sync view" in refusal.value.because


def test_one_chain_serves_all_requests_of_a_trial():
    built = []

    def counting(get_response):
        built.append(1)
        return get_response

    async def two_requests():
        trial = trial_of(counting)
        await trial.get("/welcome/")
        await trial.get("/welcome/")

    asyncio.run(two_requests())
    assert built == [1]
