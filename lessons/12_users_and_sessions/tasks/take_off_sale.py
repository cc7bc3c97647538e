import asyncio
from random import sample
from typing import Any
from urllib.parse import unquote

from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ObjectDoesNotExist

from tutorial_project.checks import Task, Trial
from tutorial_project.checks.kinds.made_up import made_up, one_of
from tutorial_project.trips.models import Trip

from ..shared import expect, expect_right_allow, sent, went_on

take_off_sale = Task(
    "take_off_sale",
    beside="serves_several_at_once",
    routes=["trips/<int:pk>/take-off-sale/"],
    hints=(
        "Four people press the button: a visitor, a traveller, staff without the permission, staff with it. What does each get?",
        "`permission_required` sends everybody to the login page, or answers 403 to everybody. Only one of the four has "
        "nothing but the login missing.",
        "`@require_POST` above the function; `user = await request.auser()`; not `user.is_authenticated`: "
        "`redirect_to_login(…)`; not `user.is_staff`, or not "
        '`await user.ahas_perm("trips.change_trip")`: `raise PermissionDenied`; then '
        "`await Trip.objects.filter(pk=pk).aupdate(active=False)`, which gives the number of rows: 0 is a 404",
    ),
    praise='Right: who is unknown may log in, and who is known is told no. `@login_required` above `@permission_required("trips.'
    'change_trip", raise_exception=True)` would do the same, with `is_staff` asked in the view.',
)


async def a_trip(**fields: Any) -> int:
    """The key of some trip that is on sale, with these fields."""
    trips = Trip.objects.filter(active=True, **fields)
    return one_of([pk async for pk in trips.values_list("pk", flat=True)])


def button(pk: int) -> str:
    return f"/trips/{pk}/take-off-sale/"


async def on_sale(pk: int) -> bool:
    return await Trip.objects.filter(pk=pk, active=True).aexists()


async def a_trip_that_is_gone() -> int:
    """The key of a trip that was there a moment ago."""
    trip = await Trip.objects.afirst()
    trip.pk = None
    await trip.asave()
    pk: int = trip.pk
    await trip.adelete()
    return pk


async def member(*, staff: bool = False, may: bool = False) -> User:
    """Make a user that no answer can know, with the permission to change trips or without any."""
    name = made_up("traveller")
    user = await User.objects.acreate(username=name, first_name="Mary", last_name=name[-8:], is_staff=staff)
    wanted = ["change_trip"] if may else []
    await user.user_permissions.aset([p async for p in Permission.objects.filter(codename__in=wanted)])
    return user


async def pressed_by(trial: Trial, user: User, who: str, pk: int) -> tuple[Any, dict[str, str]]:
    await trial.log_in(user.username)
    reply, words = await sent(trial, "POST", button(pk))
    reply.sent += f"   logged in as {user.username}, {who}"
    return reply, words


async def expect_refusal(trial: Trial, user: User, who: str) -> None:
    """Refuse unless the button answers 403 to this user, and leaves a trip as it is."""
    pk = await a_trip()
    reply, words = await pressed_by(trial, user, who, pk)
    place = reply.response.headers.get("location", "") if reply.status == 302 else ""
    if place.startswith("/accounts/login/") and not words:
        words = {
            "because": "who is logged in already is sent to log in, comes back, and is sent again",
            "next": "`raise PermissionDenied`, or `raise_exception=True` in `permission_required`",
        }
    expect(reply, 403, **words)
    reply.expect_that(
        await on_sale(pk),
        f"403, and trip {pk} still on sale",
        got=f"403, and trip {pk} off sale in the database",
    )
    await Trip.objects.filter(pk=pk).aupdate(active=False)
    reply, words = await pressed_by(trial, user, f"{who}, now that the trip is off sale", pk)
    expect(reply, 403, **words)
    reply.expect_that(
        not await on_sale(pk), f"403, and trip {pk} still off sale", got=f"403, and trip {pk} on sale again"
    )


async def expect_off_sale(trial: Trial, user: User, who: str, pk: int, **otherwise: str) -> None:
    """Refuse unless the button takes this trip off sale, and no other."""
    others = Trip.objects.exclude(pk=pk).filter(active=True)
    await a_twin_of(pk)
    before, row = await others.acount(), await row_of(pk)
    reply, words = await pressed_by(trial, user, who, pk)
    if reply.status == 403:
        words = words or otherwise
    expect(reply, json={"trip": pk, "active": False, "by": user.username}, **words)
    off = f"trip {pk} off sale in the database"
    reply.expect_that(
        await Trip.objects.filter(pk=pk).aexists(), off, got=f"trip {pk} is gone from the database"
    )
    reply.expect_that(not await on_sale(pk), off, got=f"trip {pk} on sale in the database", **words)
    reply.expect_that(
        await others.acount() == before, f"{off}, and no other", got="other trips off sale, too"
    )
    changed = [field for field, value in (await row_of(pk)).items() if value != row[field]]
    reply.expect_that(
        not set(changed) - {"active"}, f"{off}, and else unchanged", got=f"changed {' and '.join(changed)}"
    )


async def a_twin_of(pk: int) -> None:
    """Put another trip of the same title to the same place on sale."""
    twin = await Trip.objects.aget(pk=pk)
    twin.pk, twin.active = None, True
    await twin.asave(force_insert=True)


async def row_of(pk: int) -> dict[str, Any]:
    return await Trip.objects.filter(pk=pk).values().afirst() or {}


@take_off_sale.requirement(
    "sends a visitor who is not logged in to the login page: 302 to "
    "`/accounts/login/?next=/trips/7/take-off-sale/` for trip 7"
)
async def sends_visitors_to_the_login(trial: Trial) -> None:
    pk = await a_trip()
    reply, words = await sent(trial, "POST", button(pk))
    expected = f"/accounts/login/?next={button(pk)}"
    if reply.status == 403 and not words:
        words = {
            "because": "403 is for who is known and may not; this visitor may have the permission, once logged in",
            "next": "`@login_required` above the other decorators, or `return redirect_to_login(…)` first",
        }
    expect(reply, 302, **words)
    place = unquote(reply.response.headers.get("location", ""))
    reply.expect_that(place == expected, f"302 to {expected}", got=f"302 to {place}")
    reply.expect_that(
        await on_sale(pk), f"trip {pk} still on sale", got=f"302, and trip {pk} off sale in the database"
    )


@take_off_sale.requirement(
    "answers 403 to a traveller who is logged in, such as Ada, and leaves the trip on sale"
)
async def refuses_travellers(trial: Trial) -> None:
    await expect_refusal(trial, await member(), "a traveller")


@take_off_sale.requirement("answers 403 to staff without the permission `trips.change_trip`")
async def refuses_staff_without_the_permission(trial: Trial) -> None:
    user = await member(staff=True)
    others = Permission.objects.filter(
        codename__in=["view_trip", "add_trip", "delete_trip", "change_booking"]
    )
    await user.user_permissions.aset([*[p async for p in others], await of_another_app()])
    await expect_refusal(trial, user, "staff without this permission")


async def of_another_app() -> Permission:
    """A permission `auth.change_trip`, whose codename is that of `trips.change_trip`."""
    users = await ContentType.objects.aget(app_label="auth", model="user")
    return await Permission.objects.acreate(
        codename="change_trip", content_type=users, name="a trip of users"
    )


@take_off_sale.requirement(
    "answers 403 to a user with the permission `trips.change_trip` who is not staff, and to a superuser who is not staff"
)
async def refuses_who_is_not_staff(trial: Trial) -> None:
    await expect_refusal(trial, await member(may=True), "not staff, with the permission")
    chief = await member()
    await User.objects.filter(pk=chief.pk).aupdate(is_superuser=True)
    await expect_refusal(trial, chief, "a superuser, and not staff")


@take_off_sale.requirement(
    "takes the trip off sale, and no other, for staff with that permission, such as Frances, and answers 200 "
    '`{"trip": 7, "active": false, "by": "frances"}`; the answer to another click is the same'
)
async def takes_it_off_sale(trial: Trial) -> None:
    user, pk = await member(staff=True, may=True), await a_trip(seats_left__gt=0)
    await expect_off_sale(trial, user, "staff with the permission `trips.change_trip`", pk)
    await expect_off_sale(trial, user, "staff with the permission, a second time", pk)
    await Trip.objects.filter(pk=pk).aupdate(active=True)
    await expect_off_sale(trial, user, "staff with the permission, now that the trip is on sale again", pk)
    await user.user_permissions.aclear()
    await Trip.objects.filter(pk=pk).aupdate(active=True)
    reply, words = await sent(trial, "POST", button(pk))
    reply.sent += f"   by {user.username}, who had the permission until now"
    expect(reply, 403, **words)
    reply.expect_that(await on_sale(pk), f"trip {pk} still on sale", got=f"403, and trip {pk} off sale")


@take_off_sale.requirement("does the same for several staff at the same moment, each in their own name")
async def serves_several_at_once(trial: Trial) -> None:
    keys = [pk async for pk in Trip.objects.filter(active=True).values_list("pk", flat=True)]
    staff = [await member(staff=True, may=True) for _ in range(3)]
    pressing = [Trial(trial.answer, trial.task) for _ in staff]
    for each, user in zip(pressing, staff, strict=True):
        await each.log_in(user.username)
    trips = sample(keys, 3)
    replies = await asyncio.gather(*(t.post(button(pk)) for t, pk in zip(pressing, trips, strict=True)))
    for reply, user, pk in zip(replies, staff, trips, strict=True):
        reply.sent += f"   by {user.username}, and two others at once"
        expect(reply, json={"trip": pk, "active": False, "by": user.username})
        reply.expect_that(not await on_sale(pk), f"trip {pk} off sale", got=f"trip {pk} on sale")


@take_off_sale.requirement(
    "does the same for staff who has the permission from a group, and for staff who is a superuser"
)
async def asks_groups_too(trial: Trial) -> None:
    user = await member(staff=True)
    editors = await Group.objects.acreate(name=made_up("traveller"))
    await editors.permissions.aset([await Permission.objects.aget(codename="change_trip")])
    await editors.user_set.aset([user])
    from_group = {
        "because": "a permission comes from the user or from any of the user's groups",
        "next": 'await user.ahas_perm("trips.change_trip")',
    }
    await expect_off_sale(trial, user, "whose group has the permission", await a_trip(), **from_group)
    chief = await member(staff=True)
    await User.objects.filter(pk=chief.pk).aupdate(is_superuser=True)
    has_all = {
        "because": "a superuser has every permission, and none of them is stored",
        "next": 'await user.ahas_perm("trips.change_trip")',
    }
    await expect_off_sale(trial, chief, "staff and a superuser", await a_trip(), **has_all)


@take_off_sale.requirement(
    "answers 405 to a GET of the same staff and to every other method, and writes nothing"
)
async def writes_on_post_alone(trial: Trial) -> None:
    user, pk = await member(staff=True, may=True), await a_trip()
    await trial.log_in(user.username)
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "REPORT"):
        reply, words = await sent(trial, method, button(pk))
        served = BY_GET if method == "GET" else went_on(method)
        expect(reply, 405, **(words or (served if reply.status == 200 else {})))
        expect_right_allow(reply, {"POST"})
        reply.expect_that(await on_sale(pk), f"trip {pk} still on sale", got=f"405, and trip {pk} off sale")


BY_GET = {
    "because": "a link or a picture on any page can send a GET in the name of who looks at it; no CSRF token is asked for",
    "next": "`@require_POST` above the function",
}


@take_off_sale.requirement(
    "answers 404 for a trip that does not exist, as in `POST /trips/7000/take-off-sale/`, and for a number of any length"
)
async def knows_no_such_trip(trial: Trial) -> None:
    user = await member(staff=True, may=True)
    for pk in (7000, 10**40, await a_trip_that_is_gone()):
        reply, words = await pressed_by(trial, user, "staff with the permission", pk)
        if isinstance(reply.error, ObjectDoesNotExist):
            words = words or {
                "because": "a look-up of one row raises when there is none, and the staff gets a 500",
                "next": "await aget_object_or_404(Trip, pk=pk)",
            }
        expect(reply, 404, **words)
