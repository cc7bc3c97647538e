from urllib.parse import unquote

from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import ObjectDoesNotExist

from tutorial_project.checks import Task, Trial
from tutorial_project.trips.models import Trip

from ..shared import expect, sent

take_off_sale = Task(
    "take_off_sale",
    routes=["trips/<int:pk>/take-off-sale/"],
    hints=(
        "Four people press the button: a visitor, a traveller, staff without the permission, staff with it. What does each get?",
        "`permission_required` sends everybody to the login page, or answers 403 to everybody. Only one of the four has "
        "nothing but the login missing.",
        "`user = await request.auser()`; not `user.is_authenticated`: `redirect_to_login(…)`; not `user.is_staff`, or not "
        '`await user.ahas_perm("trips.change_trip")`: `raise PermissionDenied`; then `trip.active = False` and `await trip.asave()`',
    ),
    praise='Right: who is unknown may log in, and who is known is told no. `@login_required` above `@permission_required("trips.'
    'change_trip", raise_exception=True)` would do the same, with `is_staff` asked in the view.',
)


BUTTON = "/trips/7/take-off-sale/"


async def on_sale(pk: int) -> bool:
    return (await Trip.objects.aget(pk=pk)).active


async def become(username: str, *, staff: bool = False, may: bool = False) -> None:
    """Make a sample user staff or not, with the permission to change trips or without any."""
    await User.objects.filter(username=username).aupdate(is_staff=staff)
    user = await User.objects.aget(username=username)
    wanted = ["change_trip"] if may else []
    await user.user_permissions.aset([p async for p in Permission.objects.filter(codename__in=wanted)])


async def expect_refusal(trial: Trial, username: str, who: str) -> None:
    """Refuse unless the button answers 403 to this user, and leaves the trip on sale."""
    await trial.log_in(username)
    reply, words = await sent(trial, "POST", BUTTON)
    reply.sent += f"   logged in as {username}, {who}"
    circle = reply.status == 302
    if circle and not words:
        words = {
            "because": "who is logged in already is sent to log in, comes back, and is sent again",
            "next": "`raise PermissionDenied`, or `raise_exception=True` in `permission_required`",
        }
    expect(reply, 403, **words)
    reply.expect_that(
        await on_sale(7), "403, and trip 7 still on sale", got="403, and trip 7 off sale in the database"
    )


@take_off_sale.requirement(
    f"sends a visitor who is not logged in to the login page: 302 to `/accounts/login/?next={BUTTON}`"
)
async def sends_visitors_to_the_login(trial: Trial) -> None:
    reply, words = await sent(trial, "POST", BUTTON)
    expected = f"/accounts/login/?next={BUTTON}"
    if reply.status == 403 and not words:
        words = {
            "because": "403 is for who is known and may not; this visitor may have the permission, once logged in",
            "next": "`@login_required` above the other decorators, or `return redirect_to_login(…)` first",
        }
    expect(reply, 302, **words)
    place = unquote(reply.response.headers.get("location", ""))
    reply.expect_that(place == expected, f"302 to {expected}", got=f"302 to {place}")


@take_off_sale.requirement("answers 403 to Ada, a traveller who is logged in, and leaves the trip on sale")
async def refuses_travellers(trial: Trial) -> None:
    await expect_refusal(trial, "ada", "a traveller")


@take_off_sale.requirement("answers 403 to staff without the permission `trips.change_trip`")
async def refuses_staff_without_the_permission(trial: Trial) -> None:
    await become("grace", staff=True)
    await expect_refusal(trial, "grace", "staff without a permission")


@take_off_sale.requirement("answers 403 to a user with the permission `trips.change_trip` who is not staff")
async def refuses_who_is_not_staff(trial: Trial) -> None:
    await become("grace", may=True)
    await expect_refusal(trial, "grace", "not staff, with the permission")


@take_off_sale.requirement(
    "takes the trip off sale for Frances, staff with that permission, and answers 200 "
    '`{"trip": 7, "active": false, "by": "frances"}`'
)
async def takes_it_off_sale(trial: Trial) -> None:
    await trial.log_in("frances")
    reply, words = await sent(trial, "POST", BUTTON)
    reply.sent += "   logged in as frances"
    if reply.status == 403:
        words = {
            "because": "Frances is staff and has the permission `trips.change_trip`: its name begins with the app's",
            "next": 'await user.ahas_perm("trips.change_trip")',
        }
    expect(reply, json={"trip": 7, "active": False, "by": "frances"}, **words)
    words = words or {"next": "await trip.asave()"}
    reply.expect_that(
        not await on_sale(7), "trip 7 off sale in the database", got="trip 7 on sale in the database", **words
    )
    reply.expect_that(await on_sale(8), "trip 8 still on sale", got="trip 8 off sale in the database")


@take_off_sale.requirement("does the same for staff who has the permission from a group")
async def asks_groups_too(trial: Trial) -> None:
    await become("grace", staff=True)
    editors = await Group.objects.acreate(name="editors of the summer")
    await editors.permissions.aset([await Permission.objects.aget(codename="change_trip")])
    await editors.user_set.aset([await User.objects.aget(username="grace")])
    await trial.log_in("grace")
    reply, words = await sent(trial, "POST", BUTTON)
    reply.sent += "   logged in as grace, whose group has the permission"
    if reply.status == 403:
        words = {
            "because": "a permission comes from the user or from any of the user's groups",
            "next": 'await user.ahas_perm("trips.change_trip")',
        }
    expect(reply, json={"trip": 7, "active": False, "by": "grace"}, **words)


@take_off_sale.requirement(
    "answers 404 for a trip that does not exist, as in `POST /trips/7000/take-off-sale/`"
)
async def knows_no_trip_7000(trial: Trial) -> None:
    await trial.log_in("frances")
    reply, words = await sent(trial, "POST", "/trips/7000/take-off-sale/")
    if isinstance(reply.error, ObjectDoesNotExist):
        words = {
            "because": "`aget` raises when there is no such row, and Frances gets a 500",
            "next": "await aget_object_or_404(Trip, pk=pk)",
        }
    expect(reply, 404, **words)
