"""The adversaries themselves: weak checks accept each of them, strong ones refuse it, and answers stay what they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views import View

from . import shop
from .calls import Adversary, Call, around
from .checks import Task, Trial
from .copies import OneRow
from .kept import KeptStream
from .meeting import judged, rehearse
from .stepping import stepped
from .table import ADVERSARIES, excuse

each_adversary = pytest.mark.parametrize("adversary", ADVERSARIES)


def meeting(task: Any, adversary: str) -> Any:
    heard = rehearse(shop.strong_task(), shop.offers, None)
    chosen = ADVERSARIES[adversary](rehearse(task, shop.offers, None))
    assert chosen.can_act(heard)
    return judged(task, around(shop.offers, chosen), None)


@pytest.mark.parametrize("new_task", [shop.weak_task, shop.strong_task])
def test_the_right_answer_is_done(new_task: Callable[[], Any]) -> None:
    verdict = judged(new_task(), shop.offers, None)
    assert verdict.state == "done", verdict.text


@each_adversary
def test_a_weak_check_accepts_it(adversary: str) -> None:
    verdict = meeting(shop.weak_task(), adversary)
    if adversary.startswith("holder"):  # refused without an author's doing
        assert verdict.broken == "leaves_the_loop_free", verdict.text
    else:
        assert verdict.state == "done", verdict.text


@each_adversary
def test_a_strong_check_refuses_it(adversary: str) -> None:
    assert meeting(shop.strong_task(), adversary).state == "not yet"


@each_adversary
def test_it_changes_an_answer_that_always_says_the_same_in_no_way_but_by_holding(adversary: str) -> None:
    async def hours(request: HttpRequest) -> HttpResponse:
        return JsonResponse({"opens": 9})

    async def asks_once(trial: Trial) -> None:
        (await trial.get("/hours/")).expect(200)

    task = Task("hours", hints=(), praise="", routes=["hours/"])
    task.requirement("answers")(asks_once)
    heard = rehearse(task, hours, None)
    acts = ADVERSARIES[adversary](heard).can_act(heard)
    assert acts == (
        adversary in ("replay", "memory", "holder before the first wait", "holder after the last wait")
    )


def test_an_excuse_may_name_a_whole_kind() -> None:
    assert excuse({"holder": "it never waits"}, "holder after the last wait") == "it never waits"
    assert excuse({"holder": "it never waits"}, "replay") is None


class Listener(Adversary):
    """Notes what it stands around."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    async def call(self, call: Call) -> Any:
        self.heard.append(call.asked)
        return await call.proceed()

    def plain_call(self, call: Call) -> Any:
        self.heard.append(call.asked)
        return call.proceed_now()


def request(path: str = "/") -> HttpRequest:
    asked = HttpRequest()
    asked.method, asked.path = "GET", path
    return asked


async def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("from the view")


def plain_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("from the view")


class ClassBasedView(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("from the view")


class Middleware:
    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        return await self.get_response(request)


def layer(get_response: Any) -> Any:
    async def answer(request: HttpRequest) -> HttpResponse:
        return await get_response(request)

    return answer


@pytest.mark.parametrize(
    ("answer", "called"),
    [
        (view, lambda wrapped: wrapped(request("/kept/"))),
        (plain_view, lambda wrapped: wrapped(request("/kept/"))),
        (ClassBasedView, lambda wrapped: wrapped.as_view()(request("/kept/"))),
        (Middleware, lambda wrapped: wrapped(view)(request("/kept/"))),
        (layer, lambda wrapped: wrapped(view)(request("/kept/"))),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_every_kind_of_answer_to_a_request_is_heard_once_and_answers_as_before(
    answer: Any, called: Callable[[Any], Any]
) -> None:
    listener = Listener()

    async def call() -> Any:
        result = called(around(answer, listener))
        return await result if asyncio.iscoroutine(result) else result

    assert asyncio.run(call()).content == b"from the view"
    assert [asked[1:3] for asked in listener.heard] == [("GET", "/kept/")]


def test_a_wrapped_answer_has_its_name_and_is_async_where_it_was() -> None:
    wrapped = [around(answer, Listener()) for answer in (view, plain_view)]
    assert [answer.__name__ for answer in wrapped] == ["view", "plain_view"]
    assert [iscoroutinefunction(answer) for answer in wrapped] == [True, False]


def test_an_application_is_heard_by_its_path_and_sends_as_before() -> None:
    sent: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "first"})

    async def send(message: Any) -> None:
        sent.append(message)

    listener = Listener()
    scope = {"type": "http", "method": "GET", "path": "/board/"}
    asyncio.run(around(application, listener)(scope, None, send))
    assert sent == [{"type": "first"}]
    assert listener.heard == [("http", "GET", "/board/", "None")]


def test_the_methods_of_a_class_are_heard_and_what_one_calls_of_another_is_not() -> None:
    class Client:
        async def ask(self, city: str) -> str:
            return await self.answer(city)

        async def answer(self, city: str) -> str:
            return f"sunny in {city}"

    listener = Listener()
    client = around(Client, listener)()
    assert asyncio.run(client.ask("Lisbon")) == "sunny in Lisbon"
    assert listener.heard == [("ask", "'Lisbon'")]


def test_steps_are_told_before_they_are_taken() -> None:
    happened: list[Any] = []

    async def two_waits() -> str:
        for _ in range(2):
            await asyncio.sleep(0)
            happened.append("woke up")
        return "done"

    async def drive() -> str:
        return await stepped(two_waits(), happened.append)

    assert asyncio.run(drive()) == "done"
    assert happened == [0, 1, "woke up", 2, "woke up"]


def test_a_stepped_coroutine_hears_of_its_cancellation() -> None:
    heard: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    async def drive() -> None:
        async def step() -> None:
            await stepped(waits(), lambda number: None)

        task = asyncio.create_task(step())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(drive())
    assert heard == ["cancelled"]


def test_rows_are_copied_wherever_they_are() -> None:
    def answer() -> Any:
        return {"on_sale": 2, "trips": [{"id": 1}, {"id": 2}]}

    assert around(answer, OneRow(-1))() == {"on_sale": 2, "trips": [{"id": 2}, {"id": 2}]}


def test_a_stream_is_kept_as_far_as_it_was_sent_and_its_generator_ends_with_its_client() -> None:
    ended: list[bool] = []

    async def pieces() -> Any:
        try:
            while True:
                yield "piece"
        finally:
            ended.append(True)

    async def listen() -> bytes:
        kept = KeptStream(StreamingHttpResponse(pieces()))
        live = aiter(kept.live())
        assert [await anext(live), await anext(live)] == [b"piece", b"piece"]
        await live.aclose()
        del live
        for _ in range(10):  # each generator around it ends in a turn of its own
            await asyncio.sleep(0)
        assert ended == [True]
        again = aiter(kept.again())
        return await anext(again) + await anext(again)

    assert asyncio.run(listen()) == b"piecepiece"
