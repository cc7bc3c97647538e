from tutorial_project.checks import Reply, Task, Trial
from tutorial_project.trips.models import Trip

from ..shared import expect_405, explain_the_guard

MembersDesk = Task(
    "MembersDesk",
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


TO_THE_LOGIN = "302  Location: /accounts/login/?next=/desk/8/"


async def seats_left() -> int:
    return (await Trip.objects.aget(pk=8)).seats_left


def expect_the_login(reply: Reply, **words: str) -> None:
    """Refuse unless the visitor is sent to the login page, and from there back."""
    explain_the_guard(reply, TO_THE_LOGIN)
    reply.expect_that(reply.status == 302, TO_THE_LOGIN, **words)
    location = reply.response.headers["Location"]
    wanted = location in ("/accounts/login/?next=/desk/8/", "/accounts/login/?next=%2Fdesk%2F8%2F")
    reply.expect_that(wanted, TO_THE_LOGIN, got=f"302  Location: {location}")


@MembersDesk.requirement(
    "answers `GET /desk/8/` of somebody who is not logged in with 302 to `/accounts/login/?next=/desk/8/`"
)
async def sends_visitors_to_the_login(trial: Trial) -> None:
    reply, words = await trial.get("/desk/8/"), {}
    if reply.status == 200:
        words = {
            "because": "the visitor reached the handler",
            "next": "`auser()` gives a user in any case; `is_authenticated` says whether somebody is logged in, and "
            "the redirect has to be returned",
        }
    expect_the_login(reply, **words)


@MembersDesk.requirement(
    "lets ada through, who is logged in: `GET` tells her the seats that are left, `POST` takes one and answers 201"
)
async def lets_ada_through(trial: Trial) -> None:
    await trial.log_in("ada")
    left = await seats_left()
    reply = await trial.get("/desk/8/")
    explain_the_guard(reply, f'200 {{"seats_left": {left}}}')
    reply.expect(200, json={"seats_left": left})
    reply = await trial.post("/desk/8/")
    explain_the_guard(reply, "201")
    reply.expect(201)
    reply.expect_that(await seats_left() == left - 1, f"{left - 1} seats left in the database")


@MembersDesk.requirement("answers `POST` of somebody who is not logged in the same way, and takes no seat")
async def protects_every_handler(trial: Trial) -> None:
    left = await seats_left()
    reply = await trial.post("/desk/8/")
    words = {}
    if reply.status == 201:
        words = {
            "because": "the visitor reached the handler of `POST`",
            "next": "protect `dispatch`, which runs before every handler, or each handler",
        }
    expect_the_login(reply, **words)
    reply.expect_that(await seats_left() == left, f"{left} seats left in the database")


@MembersDesk.requirement("answers 405 to a `DELETE` of ada, with `GET` and `POST` in `Allow`")
async def still_refuses_other_methods(trial: Trial) -> None:
    await trial.log_in("ada")
    await expect_405(await trial.request("DELETE", "/desk/8/"), {"GET", "POST"})
