import asyncio
from datetime import timedelta

from asgiref.sync import sync_to_async
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import aget_object_or_404, get_object_or_404
from django.utils import timezone
from django.views import View
from django.views.decorators.http import require_http_methods, require_POST

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Trip
from tutorial_project.trips.tasks import send_confirmation


@known_answer(
    "close_sale",
    when="Where nothing in the view waits for another service: a sync view says the same with less.",
)
@require_POST
def a_sync_view_that_updates(request, pk):
    with transaction.atomic():
        trip = get_object_or_404(Trip, pk=pk)
        if not Trip.objects.filter(pk=pk, active=True).update(active=False):
            return JsonResponse({"error": "closed already"}, status=409)
        keys = list(trip.bookings.order_by("pk").values_list("pk", flat=True))
        letters = [send_confirmation.enqueue(booking=key).id for key in keys]
    return JsonResponse({"letters": letters}, status=202)


async def closed(pk):
    """The trip, closed now, and the keys of its bookings; None when it was closed before."""
    trip = await aget_object_or_404(Trip, pk=pk)
    if not await Trip.objects.filter(pk=pk, active=True).aupdate(active=False):
        return None
    return [key async for key in trip.bookings.order_by("pk").values_list("pk", flat=True)]


kept = set()


@known_answer(
    "close_sale",
    breaks="is_sent_by_a_worker",
    says="and no worker runs",
    because="the process of the view sends it, and when that is killed, the",
)
@require_POST
async def a_task_of_the_process(request, pk):
    keys = await closed(pk)
    for key in keys:
        task = asyncio.create_task(send_confirmation.acall(key))
        kept.add(task)
        task.add_done_callback(kept.discard)
    return JsonResponse({"letters": keys}, status=202)


@known_answer(
    "close_sale",
    breaks="is_sent_by_a_worker",
    says="and no worker runs",
    because="the process of the view sends it, and when that is killed, the",
)
@require_POST
async def sends_them_itself(request, pk):
    keys = await closed(pk)
    await asyncio.gather(*(send_confirmation.acall(key) for key in keys))
    return JsonResponse({"letters": keys}, status=202)


@known_answer("close_sale", breaks="is_sent_by_a_worker", says="nothing was written down")
@require_POST
async def a_timer_of_the_loop(request, pk):
    keys = await closed(pk)
    for key in keys:
        asyncio.get_running_loop().call_later(60, print, key)
    return JsonResponse({"letters": keys}, status=202)


@known_answer(
    "close_sale",
    breaks="is_sent_by_a_worker",
    says="SynchronousOnlyOperation",
    because="the database (or something else that is sync only) was used",
)
@require_POST
async def enqueues_on_the_loop(request, pk):
    keys = await closed(pk)
    return JsonResponse({"letters": [send_confirmation.enqueue(key).id for key in keys]}, status=202)


@known_answer("close_sale", breaks="is_sent_by_a_worker", says="coroutine")
@require_POST
async def forgets_to_await(request, pk):
    letters = [send_confirmation.aenqueue(key) for key in await closed(pk)]
    for letter in letters:
        letter.close()
    return JsonResponse({"letters": [letter.id for letter in letters]}, status=202)


@known_answer("close_sale", breaks="is_sent_by_a_worker", says="Unsupported type")
@require_POST
async def hands_over_the_row(request, pk):
    trip = await aget_object_or_404(Trip, pk=pk)
    await Trip.objects.filter(pk=pk).aupdate(active=False)
    results = [await send_confirmation.aenqueue(booking) async for booking in trip.bookings.all()]
    return JsonResponse({"letters": [result.id for result in results]}, status=202)


@known_answer("close_sale", breaks="answers_with_the_ids", says="expected")
@require_POST
async def in_no_order(request, pk):
    if (keys := await closed(pk)) is None:
        return JsonResponse({"error": "closed already"}, status=409)
    results = [await send_confirmation.aenqueue(key) for key in keys[::-1]]
    return JsonResponse({"letters": [result.id for result in results]}, status=202)


@known_answer("close_sale", breaks="all_or_nothing", says="are not one transaction")
@require_POST
async def one_by_one(request, pk):
    if (keys := await closed(pk)) is None:
        return JsonResponse({"error": "closed already"}, status=409)
    results = [await send_confirmation.aenqueue(key) for key in keys]
    return JsonResponse({"letters": [result.id for result in results]}, status=202)


@known_answer("close_sale", breaks="all_or_nothing", says="the error was swallowed")
@require_POST
async def swallows_the_error(request, pk):
    if (keys := await closed(pk)) is None:
        return JsonResponse({"error": "closed already"}, status=409)
    letters = []
    for key in keys:
        try:
            letters.append((await send_confirmation.aenqueue(key)).id)
        except Exception:
            continue
    return JsonResponse({"letters": letters}, status=202)


@known_answer("close_sale", breaks="closes_once", says="409")
@require_POST
async def closes_it_twice(request, pk):
    @sync_to_async
    def close():
        with transaction.atomic():
            trip = get_object_or_404(Trip, pk=pk)
            trip.active = False
            trip.save(update_fields=["active"])
            return [send_confirmation.enqueue(b.pk).id for b in trip.bookings.order_by("pk")]

    return JsonResponse({"letters": await close()}, status=202)


@known_answer("close_sale", breaks="odd_requests", says="405")
async def also_on_get(request, pk):
    return await sync_to_async(a_sync_view_that_updates.__wrapped__)(request, pk)


class ClosedAlready(Exception):
    pass


@transaction.atomic
def close_or_raise(pk):
    trip = Trip.objects.select_for_update().get(pk=pk)
    if not trip.active:
        raise ClosedAlready
    Trip.objects.filter(pk=pk).update(active=False)
    return [send_confirmation.enqueue(key).id for key in sorted(trip.bookings.values_list("pk", flat=True))]


@known_answer(
    "close_sale",
    when="Where a command or another view closes sales, too: the function knows no request, and its errors are turned "
    "into statuses here.",
)
@require_POST
async def a_function_that_raises(request, pk):
    try:
        letters = await sync_to_async(close_or_raise)(pk)
    except Trip.DoesNotExist:
        raise Http404 from None
    except ClosedAlready:
        return HttpResponse("closed already", status=409)
    return JsonResponse({"letters": letters}, status=202)


@known_answer("close_sale")
class CloseSale(View):
    async def post(self, request, pk):
        return await a_function_that_raises(request, pk)


@known_answer("close_sale", breaks="odd_requests", says="405")
async def only_get_is_refused(request, pk):
    if request.method == "GET":
        return HttpResponseNotAllowed(["POST"])
    return await sync_to_async(a_sync_view_that_updates.__wrapped__)(request, pk)


def closing(close):
    """A view around a sync function that closes a sale: the ids of its letters, or None."""

    @require_POST
    async def view(request, pk):
        if (letters := await sync_to_async(close)(pk)) is None:
            return JsonResponse({"error": "closed already"}, status=409)
        return JsonResponse({"letters": letters}, status=202)

    view.__name__ = close.__name__
    return view


def letters_of(bookings):
    return [send_confirmation.enqueue(booking.pk).id for booking in bookings]


@known_answer("close_sale", breaks="closes_once", says="both processes found the sale open")
@closing
def looks_without_a_lock(pk):
    trip = get_object_or_404(Trip, pk=pk)
    if not trip.active:
        return None
    with transaction.atomic():
        trip.active = False
        trip.save(update_fields=["active"])
        return letters_of(trip.bookings.order_by("pk"))


@known_answer(
    "close_sale",
    breaks="all_or_nothing",
    says="refuses to close the sale",
    because="the sale and its letters are not one transaction",
)
@closing
def closes_it_after_the_transaction(pk):
    with transaction.atomic():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        if not trip.active:
            return None
        letters = letters_of(trip.bookings.order_by("pk"))
    Trip.objects.filter(pk=pk).update(active=False)
    return letters


@known_answer(
    "close_sale", breaks="is_sent_by_a_worker", says="the seat that was sold meanwhile is free again"
)
@closing
def writes_back_the_whole_row(pk):
    trip = get_object_or_404(Trip, pk=pk)
    with transaction.atomic():
        if not Trip.objects.filter(pk=pk, active=True).update(active=False):
            return None
        trip.active = False
        trip.save()
        return letters_of(trip.bookings.order_by("pk"))


@known_answer("close_sale", breaks="is_sent_by_a_worker", says="more was changed than `active` of this trip")
@closing
def closes_all_sales(pk):
    with transaction.atomic():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        if not trip.active:
            return None
        Trip.objects.update(active=False)
        return letters_of(trip.bookings.order_by("pk"))


@known_answer("close_sale", breaks="answers_with_the_ids", says="in another order")
@closing
def in_the_order_of_the_model(pk):
    with transaction.atomic():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        if not Trip.objects.filter(pk=pk, active=True).update(active=False):
            return None
        return letters_of(trip.bookings.all())


@known_answer("close_sale", breaks="answers_with_the_ids", says="expected")
@require_POST
@sync_to_async
@transaction.atomic
def in_the_order_of_the_travellers(request, pk):
    trip = get_object_or_404(Trip, pk=pk)
    if not Trip.objects.filter(pk=pk, active=True).update(active=False):
        return JsonResponse({"error": "closed already"}, status=409)
    bookings = trip.bookings.order_by("traveller_id")
    letters = [send_confirmation.enqueue(booking.pk).id for booking in bookings]
    return JsonResponse({"letters": letters}, status=202)


@known_answer("close_sale", breaks="answers_with_the_ids", says="which nobody has booked")
@closing
def no_bookings_is_closed(pk):
    with transaction.atomic():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        if not Trip.objects.filter(pk=pk, active=True).update(active=False):
            return None
        return letters_of(trip.bookings.order_by("pk")) or None


@known_answer("close_sale", breaks="answers_with_the_ids", says="active=False")
@require_POST
async def closes_with_the_first_letter(request, pk):
    @sync_to_async
    @transaction.atomic
    def close():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        if not trip.active:
            return None
        ids = []
        for key in trip.bookings.order_by("pk").values_list("pk", flat=True):
            ids.append(send_confirmation.enqueue(key).id)
            Trip.objects.filter(pk=pk).update(active=False)
        return ids

    return answered(await close())


@known_answer("close_sale", breaks="is_sent_by_a_worker", says="confirmation-")
@require_POST
async def a_letter_for_each_seat(request, pk):
    @sync_to_async
    @transaction.atomic
    def close():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        if not trip.active:
            return None
        trip.active = False
        trip.save(update_fields=["active"])
        rows = trip.bookings.order_by("pk").values_list("pk", "seats")
        return [send_confirmation.enqueue(key).id for key, seats in rows for _ in range(seats)]

    return answered(await close())


@known_answer("close_sale", breaks="answers_with_the_ids", says="travellers have booked")
@closing
def one_page_of_bookings(pk):
    with transaction.atomic():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        if not Trip.objects.filter(pk=pk, active=True).update(active=False):
            return None
        return letters_of(trip.bookings.order_by("pk")[:50])


@known_answer("close_sale", breaks="all_or_nothing", says="are not one transaction")
@closing
def writes_letters_after_the_commit(pk):
    letters = []
    with transaction.atomic():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        if not Trip.objects.filter(pk=pk, active=True).update(active=False):
            return None
        keys = list(trip.bookings.order_by("pk"))
        transaction.on_commit(lambda: letters.extend(letters_of(keys)))
    return letters


@known_answer("close_sale", breaks="is_sent_by_a_worker", says="got no letter")
@closing
def letters_of_tomorrow(pk):
    with transaction.atomic():
        trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
        if not Trip.objects.filter(pk=pk, active=True).update(active=False):
            return None
        tomorrow = send_confirmation.using(run_after=timezone.now() + timedelta(days=1))
        return [tomorrow.enqueue(booking.pk).id for booking in trip.bookings.order_by("pk")]


@sync_to_async
@transaction.atomic
def closed_once(pk):
    trip = get_object_or_404(Trip.objects.select_for_update(), pk=pk)
    if not trip.active:
        return None
    trip.active = False
    trip.save(update_fields=["active"])
    keys = list(trip.bookings.order_by("pk").values_list("pk", flat=True))
    return [send_confirmation.enqueue(key).id for key in keys]


@known_answer("close_sale", breaks="odd_requests", says="with each method but POST")
async def knows_some_methods(request, pk):
    if request.method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
        return HttpResponseNotAllowed(["POST"])
    return answered(await closed_once(pk))


@known_answer("close_sale", breaks="odd_requests", says="405: only a POST changes something")
@require_http_methods(["POST", "PUT"])
async def closes_on_put_too(request, pk):
    return answered(await closed_once(pk))


def answered(ids):
    if ids is None:
        return JsonResponse({"error": "the sale is closed already"}, status=409)
    return JsonResponse({"letters": ids}, status=202)


ONE_AT_A_TIME = "the database of the check lets one transaction in at a time, and nobody reads it after that"

EQUAL_MUTANTS = {
    "local as global: nothing → global keys": ONE_AT_A_TIME,
    "local as global: nothing → global trip": ONE_AT_A_TIME,
    'arg removal: trip.save(update_fields=["active"]) → …': "the row is locked since it was read: it has not changed",
    'only keyword: trip.save(update_fields=["active"]) → …': "the row is locked since it was read: it has not changed",
    'arg removal: keys = list(trip.bookings.order_by("pk").values_list("pk", flat=True)) → …': "the first field is the key",
}
