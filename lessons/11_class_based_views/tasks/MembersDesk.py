from typing import Any

from django.contrib.sessions.backends.db import SessionStore
from django.views import View

from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.checks.kinds.made_up import made_up
from tutorial_project.trips.models import Trip
from tutorial_project.words import counted

from ..shared import expect_405, explain_the_guard, made_up_traveller, made_up_trip

MembersDesk = Task(
    "MembersDesk",
    beside="lets_ada_through",
    routes=["desk/<int:pk>/"],
    hints=(
        "Which method of the class runs before every handler, and what has to be true of it before it can await?",
        "In an `async def dispatch`, ask `await request.auser()` who it is; answer, or await what `super()` gives.",
        "`traveller = await request.auser()`; `if not traveller.is_authenticated: return "
        "redirect_to_login(request.get_full_path())`; `return await super().dispatch(request, *args, **kwargs)`",
    ),
    praise="Right: nobody reaches a handler unasked. `@method_decorator(login_required)` above an `async def dispatch`, "
    "or `login_required(MembersDesk.as_view())` in `urls.py`, would do too.",
)


async def seats_left(trip: Trip) -> int:
    return (await Trip.objects.aget(pk=trip.pk)).seats_left


async def expect_seats(reply: Reply, trip: Trip, expected: int, because: str | None = None) -> None:
    """Refuse unless so many seats are left in the database."""
    left = await seats_left(trip)
    got = f"{counted(left, 'seat')} left in the database"
    reply.expect_that(left == expected, f"{expected} seats left in the database", got=got, because=because)


async def visitors(trial: Trial) -> list[Trial]:
    """Four who are not logged in: without a cookie, with an old one, with a session that the site began, and with that of
    a login that ended when the password was changed."""
    session = SessionStore()
    await session.aset("seen", True)
    await session.asave()
    new, old, known, ended = (Trial(trial.answer, trial.task) for _ in range(4))
    old.set_cookie("sessionid", made_up("old"))
    known.set_cookie("sessionid", session.session_key)
    traveller = await made_up_traveller()
    await ended.log_in(traveller.username)
    await ended.get("/desk/8/")  # while it is logged in
    traveller.password = made_up("changed")
    await traveller.asave()
    return [new, old, known, ended]


def expect_the_login(reply: Reply, path: str, because: dict[str, Any]) -> None:
    """Refuse unless the visitor is sent to the login page, and from there back."""
    to_the_login = f"302  Location: /accounts/login/?next={path}"
    explain_the_guard(reply, to_the_login)
    reply.expect_that(reply.status == 302, to_the_login, **because)
    location = reply.response.headers["Location"]
    wanted = location.replace("%2F", "/") == f"/accounts/login/?next={path}"
    reply.expect_that(wanted, to_the_login, got=f"302  Location: {location}")


def never_reached(answer: Any) -> dict[str, str]:
    """The cause and the next step, when a `dispatch` stands where no call ever gets to."""
    order = getattr(answer, "__mro__", ())
    behind = (
        [c.__name__ for c in order[order.index(View) + 1 :] if "dispatch" in vars(c)] if View in order else []
    )
    if not behind:
        return {}
    return {
        "because": f"`{behind[0]}` stands to the right of the view: its `dispatch` is never reached",
        "next": f"name `{behind[0]}` first among the parents of the class",
    }


@MembersDesk.requirement(
    "answers `GET /desk/8/` of somebody who is not logged in, with a session or without, with 302 to "
    "`/accounts/login/?next=/desk/8/`"
)
async def sends_visitors_to_the_login(trial: Trial) -> None:
    trip = await made_up_trip()
    path = f"/desk/{trip.pk}/"
    for visitor in await visitors(trial):
        reply, words = await visitor.get(path), {}
        if reply.status == 200:
            words = {"because": "the visitor reached the handler", **never_reached(trial.answer)}
        expect_the_login(reply, path, words)


@MembersDesk.requirement(
    "lets ada through, who is logged in: `GET` tells her the seats that are left, `POST` takes one and answers 201; "
    "so for everybody who is logged in, also where `Desk` answers 404 or 409"
)
async def lets_ada_through(trial: Trial) -> None:
    staff, chief = await made_up_traveller(is_staff=True), await made_up_traveller(is_superuser=True)
    for username in ("ada", *(user.username for user in (await made_up_traveller(), staff, chief))):
        traveller, trip = Trial(trial.answer, trial.task), await made_up_trip()
        await traveller.log_in(username)
        for left in (trip.seats_left, trip.seats_left - 1):
            reply = await traveller.get(f"/desk/{trip.pk}/")
            explain_the_guard(reply, f'200 {{"seats_left": {left}}}')
            reply.expect(200, json={"seats_left": left})
            reply = await traveller.post(f"/desk/{trip.pk}/")
            explain_the_guard(reply, "201")
            reply.expect(201)
            await expect_seats(reply, trip, left - 1)
    await hands_on_what_desk_answers(traveller)


async def hands_on_what_desk_answers(traveller: Trial) -> None:
    """Refuse unless a trip that is sold out, and one that is not there, are answered as `Desk` does."""
    sold_out, gone = await made_up_trip(seats_left=0), await made_up_trip()
    await Trip.objects.filter(pk=gone.pk).adelete()
    for reply, status in (
        (await traveller.post(f"/desk/{sold_out.pk}/"), 409),
        (await traveller.get(f"/desk/{gone.pk}/"), 404),
    ):
        reply.sent += "   of who is logged in, for a trip that is " + (
            "sold out" if status == 409 else "gone"
        )
        reply.expect(status)


@MembersDesk.requirement("answers `POST` of somebody who is not logged in the same way, and takes no seat")
async def protects_every_handler(trial: Trial) -> None:
    trip = await made_up_trip()
    path = f"/desk/{trip.pk}/"
    for visitor in await visitors(trial):
        reply, words = await visitor.post(path), {}
        if reply.status == 201:
            words = {
                "because": "the visitor reached the handler of `POST`",
                "next": "protect `dispatch`, which runs before every handler, or each handler",
            }
        expect_the_login(reply, path, words)
        ran = "the handler ran, and the visitor was sent to the login page all the same"
        await expect_seats(reply, trip, trip.seats_left, because=ran)


@MembersDesk.requirement("answers 405 to a `DELETE` of ada, with `GET` and `POST` in `Allow`")
async def still_refuses_other_methods(trial: Trial) -> None:
    await trial.log_in("ada")
    await expect_405(await trial.request("DELETE", "/desk/8/"), {"GET", "POST"})


@MembersDesk.requirement("leaves the event loop free for others while it works")
async def leaves_the_loop_free(trial: Trial) -> None:
    await trial.log_in("ada")
    await trial.never_holds_the_loop("/desk/8/")
