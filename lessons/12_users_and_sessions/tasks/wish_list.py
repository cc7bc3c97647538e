import asyncio
import json
from random import sample
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import override_settings

from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up

from ..shared import expect, expect_405, sent

COOKIE_SESSIONS = "django.contrib.sessions.backends.signed_cookies"
"""Sessions that are read without a database: what is wrong with them there is not a matter of async."""


wish_list = Task(
    "wish_list",
    beside="keeps_lists_apart",
    routes=["wish-list/"],
    hints=(
        "When is the session's row read, and who waits for it then?",
        '`await request.session.aget("wish_list", [])` reads. What you changed has to be assigned again with `aset`.',
        '`wishes = await request.session.aget("wish_list", [])`, and for POST `if trip not in wishes: '
        'await request.session.aset("wish_list", [*wishes, trip])`',
    ),
    praise="Right: the row is read with an `await`, and the session sees the change. A new list given to `aset` does that, "
    "and so does a list changed in place with `request.session.modified = True`.",
)


def made_up_trips(number: int) -> list[int]:
    """The keys of trips, in an order that is not the one of their numbers."""
    trips = sample(range(10, 90), number)
    return trips if trips != sorted(trips) else trips[::-1]


async def add(trial: Trial, trip: int) -> tuple[Reply, dict[str, str]]:
    return await sent(trial, "POST", "/wish-list/", json={"trip": trip})


def wishes_in(reply: Reply) -> list[Any]:
    """The list that an answer tells; refuses when there is none."""
    if reply.error is not None:
        expect(reply, 201 if reply.sent.startswith("POST") else 200)
    told = reply.json
    usable = isinstance(told, dict) and isinstance(told.get("wish_list"), list)
    reply.expect_that(usable, '{"wish_list": […]}')
    return told["wish_list"]


@wish_list.requirement(
    'answers `GET /wish-list/` with `{"wish_list": […]}`: the trip ids in the order in which they were added, empty '
    "at first"
)
async def answers_in_order(trial: Trial) -> None:
    added = trips_that_no_set_keeps_in_order()
    with override_settings(SESSION_ENGINE=COOKIE_SESSIONS):
        expect((await sent(trial, "GET", "/wish-list/"))[0], json={"wish_list": []})
        replies = [(await add(trial, trip))[0] for trip in added]
        told = [wishes_in(reply) for reply in replies]
        reply, words = await sent(trial, "GET", "/wish-list/")
        kept = wishes_in(reply)
        # Whether a trip was kept at all is the next requirement's matter, unless the POST says that it was.
        said = told[-1] == added and stored(replies[-1])
        right = added if said or set(kept) - set(added) else [t for t in added if t in kept]
        expect(reply, json={"wish_list": right}, **(words or unordered(kept, right)))
        other, _ = await sent(Trial(trial.answer, trial.task), "GET", "/wish-list/")
        expect(other, json={"wish_list": []}, because="another traveller sees this one's wishes")


def trips_that_no_set_keeps_in_order() -> list[int]:
    """Made-up trips: a set has an order too, and one time in twenty it is the one in which they were added."""
    kept = trips = list[int]()
    while kept == trips:
        kept, trips = [], made_up_trips(4)
        for trip in trips:
            kept = list({*kept, trip})
    return trips


def unordered(kept: list[Any], right: list[Any]) -> dict[str, str]:
    if kept != right and sorted(kept, key=str) == sorted(right, key=str):
        return {"because": "these are the trips, and not in the order in which they were added"}
    if kept == [str(trip) for trip in right]:
        return {"because": "these are texts, and a trip's id is a number"}
    return {}


def stored(reply: Reply) -> bool:
    """Whether the session was saved with this answer: only then the middleware sends its cookie."""
    return "set-cookie" in reply.response.headers


NOT_STORED = {
    "because": "the session was not saved: it sees what is assigned to it, and not a change inside of a list",
    "next": 'await request.session.aset("wish_list", wishes)',
}


@wish_list.requirement(
    'adds a trip on `POST /wish-list/` with `{"trip": 7}`, and answers 201 with the whole list'
)
async def adds_a_trip(trial: Trial) -> None:
    with override_settings(SESSION_ENGINE=COOKIE_SESSIONS):
        added, saved, missed = [], True, {}
        for trip in made_up_trips(12):
            added.append(trip)
            reply, words = await add(trial, trip)
            expect(
                reply,
                201,
                json={"wish_list": added},
                **(missed or words or unsaved(saved) or await forgot(trial, reply, added)),
            )
            saved, missed = saved and stored(reply), missed or words
        reply, words = await sent(trial, "GET", "/wish-list/")
        expect(
            reply,
            json={"wish_list": added},
            **(missed or words or unsaved(saved) or await forgot(trial, reply, added)),
        )


async def forgot(trial: Trial, reply: Reply, added: list[int]) -> dict[str, str]:
    """Words for an answer without the trip that the answer before it told."""
    told = reply.json.get("wish_list") if reply.error is None and isinstance(reply.json, dict) else None
    if len(added) == 1 or told != added[-1:]:
        return {}
    because = f"the answer before this one told trip {added[0]}, and this one does not find it"
    following, _ = await sent(trial, "GET", "/wish-list/")
    if following.value is not None and str(added[0]) in following.text:
        return {"because": because.replace("does not find it", "leaves it out, which a GET still tells")}
    return {"because": f"{because}: the session keeps what is assigned to it", "next": NOT_STORED["next"]}


def unsaved(saved: bool) -> dict[str, str]:
    return {} if saved else NOT_STORED


@wish_list.requirement("keeps one when a trip is added twice")
async def keeps_one(trial: Trial) -> None:
    first, second, third = made_up_trips(3)
    with override_settings(SESSION_ENGINE=COOKIE_SESSIONS):
        for trip in (first, second, third, second, first):
            reply, _ = await add(trial, trip)
        expected = [first, second, third]
        reply.expect_that(wishes_in(reply) == expected, as_json(expected))
        reply, _ = await sent(trial, "GET", "/wish-list/")
        expect(reply, json={"wish_list": expected})


def as_json(wishes: list[int]) -> str:
    return json.dumps({"wish_list": wishes})


@wish_list.requirement(
    "gives the same answers to a traveller who has a session already, and leaves what else it holds"
)
async def serves_who_has_a_session(trial: Trial) -> None:
    added: list[int] = []
    for trip in made_up_trips(3):
        added.append(trip)
        reply, _ = await add(trial, trip)
        reply.sent += "   with the cookie of the first answer" if len(added) > 1 else ""
        expect(reply, 201, json={"wish_list": added})
        reply, _ = await sent(trial, "GET", "/wish-list/")
        reply.sent += "   with the same cookie"
        expect(reply, json={"wish_list": added})
    ada = Trial(trial.answer, trial.task)
    await ada.log_in("ada")
    held = SessionStore(ada.cookies.get(settings.SESSION_COOKIE_NAME))
    await held.aset(currency := made_up("currency"), "JPY")
    await held.asave()
    reply, _ = await sent(ada, "GET", "/wish-list/")
    reply.sent += "   logged in as ada"
    expect(reply, json={"wish_list": []})
    reply, _ = await add(ada, added[1])
    expect(reply, 201, json={"wish_list": [added[1]]})
    left = await SessionStore(ada.cookies.get(settings.SESSION_COOKIE_NAME)).aload()
    reply.expect_that(
        SESSION_KEY in left,
        "ada still logged in afterwards",
        got="a session without her login",
        because="the session holds more than the wishes",
    )
    reply.expect_that(
        left.get(currency) == "JPY",
        f"a session that still holds {currency!r}, as before",
        got=f"a session with {sorted(left)}",
    )


@wish_list.requirement("keeps the lists of travellers apart who come at the same moment")
async def keeps_lists_apart(trial: Trial) -> None:
    trips = made_up_trips(3)
    travellers = [Trial(trial.answer, trial.task) for _ in trips]
    for traveller, name in zip(travellers, ("ada", "grace", "frances"), strict=True):
        await traveller.log_in(name)
    held: list[list[int]] = [[], [], []]
    for adding in (trips, [trips[1], trips[2], trips[0]]):
        together = zip(travellers, adding, strict=True)
        replies = await asyncio.gather(*(t.post("/wish-list/", json={"trip": trip}) for t, trip in together))
        for traveller, wishes, trip, reply in zip(travellers, held, adding, replies, strict=True):
            wishes.append(trip)
            reply.sent += "   while two others add a trip"
            expect(reply, 201, json={"wish_list": wishes})
            expect(await traveller.get("/wish-list/"), json={"wish_list": wishes})


NO_TRIP = (
    {"content": "trip=7"},
    {"content": b"\xff\xfe"},
    {"content": b"\xe9t\xe9"},
    {"json": [7]},
    {"json": 7},
    {"json": None},
    {"json": {"journey": 7}},
    {"json": {"trip": "seven"}},
    {"json": {"trip": None}},
    {"json": {"trip": [7]}},
    {"json": {"trip": {"trip": 7}}},
)


@wish_list.requirement(
    "answers 400 when the body is not JSON, when it is JSON but no object, such as `[7]`, and when its trip is missing "
    "or no whole number, and adds nothing"
)
async def refuses_bad_bodies(trial: Trial) -> None:
    (trip,) = made_up_trips(1)
    await add(trial, trip)
    for body in NO_TRIP:
        reply, words = await sent(trial, "POST", "/wish-list/", **body)
        expect(reply, 400, **words)
    reply, words = await sent(trial, "GET", "/wish-list/")
    expect(reply, json={"wish_list": [trip]}, **words)
    for value in (True, 7.5):
        reply, _ = await sent(trial, "POST", "/wish-list/", json={"trip": value})
        following, _ = await sent(trial, "GET", "/wish-list/")
        # Who makes a whole number of it first, with `int`, keeps whole numbers all the same.
        whole = all(type(wish) is int for wish in wishes_in(following))
        reply.expect_that(whole, "400", got=f"{reply.status}, and then {following.text}", **words)


@wish_list.requirement("answers 405 to every other method")
async def knows_two_methods(trial: Trial) -> None:
    await expect_405(
        trial, "/wish-list/", "PUT", "PATCH", "DELETE", "REPORT", allowed={"GET", "POST"}, json={"trip": 7}
    )
