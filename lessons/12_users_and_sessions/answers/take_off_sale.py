import asyncio
import json

from django.contrib.auth.decorators import login_required, permission_required, user_passes_test
from django.contrib.auth.models import Permission
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpResponse, JsonResponse
from django.shortcuts import aget_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Trip


async def off_sale(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    trip.active = False
    await trip.asave()
    by = (await request.auser()).username
    return JsonResponse({"trip": pk, "active": False, "by": by})


CHANGE = "trips.change_trip"


may_change = permission_required(CHANGE, raise_exception=True)


@known_answer(
    "take_off_sale", when="Where several views ask for the same: the rules stand above each, in one line."
)
@require_POST
@login_required
@may_change
async def decorated(request, pk):
    user = await request.auser()
    if not user.is_staff:
        return HttpResponse("for staff", status=403)
    updated = await Trip.objects.filter(pk=pk).aupdate(active=False)
    if not updated:
        return HttpResponse(status=404)
    return JsonResponse({"trip": pk, "active": False, "by": user.username})


def staff_or_403(user):
    if user.is_staff and user.has_perm(CHANGE):
        return True
    raise PermissionDenied


@known_answer("take_off_sale", when="Where the rule is a sync function already: Django runs it in a thread.")
@require_POST
@login_required
@user_passes_test(staff_or_403)
async def tested_in_a_thread(request, pk):
    return await off_sale(request, pk)


@known_answer("take_off_sale")
@require_POST
async def reads_all_permissions(request, pk):
    user = await request.auser()
    if user.is_anonymous:
        return redirect_to_login(request.get_full_path())
    if not user.is_staff or CHANGE not in await user.aget_all_permissions():
        return HttpResponse(status=403)
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="sends_visitors_to_the_login", says="403 is for who is known")
@may_change
async def refuses_everybody_alike(request, pk):
    return await off_sale(request, pk)


@known_answer(
    "take_off_sale", breaks="sends_visitors_to_the_login", says="`ahas_perm` was called and not awaited"
)
async def lets_everybody_in(request, pk):
    user = await request.auser()
    if not user.ahas_perm(CHANGE):
        return redirect_to_login(request.get_full_path())
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="refuses_travellers", says="`ahas_perm` was called and not awaited")
@login_required
async def lets_every_traveller_in(request, pk):
    user = await request.auser()
    if user.ahas_perm(CHANGE):
        return await off_sale(request, pk)
    raise PermissionDenied


@known_answer("take_off_sale", breaks="refuses_travellers", says="is sent to log in, comes back")
@permission_required(CHANGE)
async def sends_travellers_to_log_in_again(request, pk):
    return await off_sale(request, pk)


@known_answer(
    "take_off_sale",
    breaks="refuses_travellers",
    says="next user = await request.auser()",
    because="`request.user` reads the user from the database, in the event",
)
@login_required
async def reads_request_user(request, pk):
    if not request.user.is_staff:
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer(
    "take_off_sale",
    breaks="refuses_travellers",
    says="next await user.ahas_perm(…)",
    because="`has_perm` reads the permissions from the database, in the event",
)
@login_required
async def asks_for_the_permission_in_the_event_loop(request, pk):
    if not (await request.auser()).has_perm(CHANGE):
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="refuses_travellers", says="off sale in the database")
@login_required
async def acts_before_it_asks(request, pk):
    answer = await off_sale(request, pk)
    user = await request.auser()
    if not user.is_staff or not await user.ahas_perm(CHANGE):
        raise PermissionDenied
    return answer


@known_answer(
    "take_off_sale", breaks="refuses_staff_without_the_permission", says="staff without this permission"
)
@login_required
async def asks_for_staff_alone(request, pk):
    if not (await request.auser()).is_staff:
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="refuses_who_is_not_staff", says="not staff, with the permission")
@login_required
@may_change
async def asks_for_the_permission_alone(request, pk):
    return await off_sale(request, pk)


def staff_with_change(view):
    async def test(user):
        if user.is_staff and await user.ahas_perm(CHANGE):
            return True
        raise PermissionDenied

    return require_POST(login_required(user_passes_test(test)(view)))


@known_answer("take_off_sale", breaks="takes_it_off_sale", says="got 403")
@login_required
async def names_the_permission_without_its_app(request, pk):
    user = await request.auser()
    if not user.is_staff or not await user.ahas_perm("change_trip"):
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="takes_it_off_sale", says="`asave` was called and not awaited")
@staff_with_change
async def forgets_to_await_the_write_of_the_trip(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    trip.active = False
    trip.asave()
    return JsonResponse({"trip": pk, "active": trip.active, "by": (await request.auser()).username})


@known_answer(
    "take_off_sale",
    breaks="takes_it_off_sale",
    says="next user = await request.auser()",
    because="`request.user` reads the user from the database, in the event",
)
@staff_with_change
async def signs_with_request_user(request, pk):
    await Trip.objects.filter(pk=pk).aupdate(active=False)
    return JsonResponse({"trip": pk, "active": False, "by": request.user.username})


@known_answer("take_off_sale", breaks="asks_groups_too", says="from any of the user's groups")
@login_required
async def looks_at_the_users_own_permissions(request, pk):
    user = await request.auser()
    if not user.is_staff or CHANGE not in await user.aget_user_permissions():
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="knows_no_such_trip", says="raises when there is none")
@staff_with_change
async def gets_any_trip(request, pk):
    trip = await Trip.objects.aget(pk=pk)
    trip.active = False
    await trip.asave()
    return JsonResponse({"trip": pk, "active": False, "by": (await request.auser()).username})


@known_answer("take_off_sale", breaks="knows_no_such_trip", says="got 200")
@staff_with_change
async def updates_whatever_is_there(request, pk):
    await Trip.objects.filter(pk=pk).aupdate(active=False)
    return JsonResponse({"trip": pk, "active": False, "by": (await request.auser()).username})


@known_answer("take_off_sale", breaks="writes_on_post_alone", says="can send a GET in the name of")
@login_required
@user_passes_test(staff_or_403)
async def writes_on_get(request, pk):
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="writes_on_post_alone", says="as one of its own methods")
@require_http_methods(["POST", "PUT"])
@login_required
@user_passes_test(staff_or_403)
async def takes_put_too(request, pk):
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="writes_on_post_alone", says="off sale")
@login_required
@user_passes_test(staff_or_403)
async def writes_and_then_looks_at_the_method(request, pk):
    answer = await off_sale(request, pk)
    return answer if request.method == "POST" else HttpResponse(status=405)


@known_answer("take_off_sale", breaks="takes_it_off_sale", says="and no other")
@staff_with_change
async def takes_every_trip_off_sale(request, pk):
    await aget_object_or_404(Trip, pk=pk)
    await Trip.objects.aupdate(active=False)
    return JsonResponse({"trip": pk, "active": False, "by": (await request.auser()).username})


@known_answer("take_off_sale", breaks="takes_it_off_sale", says="a second time")
@staff_with_change
async def knows_no_trip_that_is_off_sale(request, pk):
    if not await Trip.objects.filter(pk=pk, active=True).aupdate(active=False):
        return HttpResponse(status=404)
    return JsonResponse({"trip": pk, "active": False, "by": (await request.auser()).username})


current = {}


@known_answer("take_off_sale", breaks="serves_several_at_once", says="got")
async def keeps_the_request_in_the_module(request, pk):
    current.update(request=request, pk=pk)
    await asyncio.sleep(0.02)
    return await reads_all_permissions(current["request"], current["pk"])


@known_answer("take_off_sale", breaks="asks_groups_too", says="a superuser has every permission")
@require_POST
@login_required
async def looks_for_the_permission_itself(request, pk):
    user = await request.auser()
    named = Q(user=user) | Q(group__user=user)
    change = Permission.objects.filter(named, codename="change_trip", content_type__app_label="trips")
    if not user.is_staff or not await change.aexists():
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="takes_it_off_sale", says="and no other")
@staff_with_change
async def takes_all_of_that_title_off_sale(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await Trip.objects.filter(title=trip.title).aupdate(active=False)
    return JsonResponse({"trip": pk, "active": False, "by": (await request.auser()).username})


@known_answer("take_off_sale", breaks="takes_it_off_sale", says="changed seats_left")
@staff_with_change
async def takes_the_seats_too(request, pk):
    if not await Trip.objects.filter(pk=pk).aupdate(active=False, seats_left=0):
        return HttpResponse(status=404)
    return JsonResponse({"trip": pk, "active": False, "by": (await request.auser()).username})


@known_answer("take_off_sale", breaks="takes_it_off_sale", says="Mary")
@staff_with_change
async def tells_the_full_name(request, pk):
    user = await request.auser()
    answer = json.loads((await off_sale(request, pk)).content)
    return JsonResponse(answer | {"by": user.get_full_name() or user.username})


@known_answer("take_off_sale", breaks="writes_on_post_alone", says="as one of its own methods")
@require_http_methods(["POST", "PATCH"])
@login_required
@user_passes_test(staff_or_403)
async def takes_patch_too(request, pk):
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="refuses_who_is_not_staff", says="a superuser, and not staff")
@require_POST
async def a_superuser_may_everything(request, pk):
    user = await request.auser()
    if not user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if not user.is_superuser and not (user.is_staff and await user.ahas_perm(CHANGE)):
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer(
    "take_off_sale",
    breaks="writes_on_post_alone",
    says="REPORT",
    because="the view served REPORT as one of its own methods",
)
async def refuses_the_methods_that_it_has_heard_of(request, pk):
    if request.method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        return HttpResponse(status=405)
    user = await request.auser()
    if not user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if not (user.is_staff and await user.ahas_perm(CHANGE)):
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer(
    "take_off_sale", breaks="refuses_staff_without_the_permission", says="staff without this permission"
)
@require_POST
@login_required
async def takes_the_permission_of_any_app(request, pk):
    user = await request.auser()
    names = {permission.partition(".")[2] for permission in await user.aget_all_permissions()}
    if not user.is_staff or "change_trip" not in names:
        raise PermissionDenied
    return await off_sale(request, pk)


@known_answer("take_off_sale", breaks="refuses_travellers", says="on sale again")
@require_POST
@login_required
async def acts_and_takes_it_back(request, pk):
    user = await request.auser()
    answer = await off_sale(request, pk)
    if not user.is_staff or not await user.ahas_perm(CHANGE):
        await Trip.objects.filter(pk=pk).aupdate(active=True)
        raise PermissionDenied
    return answer
