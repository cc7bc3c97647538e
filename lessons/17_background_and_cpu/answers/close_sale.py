import asyncio

from asgiref.sync import sync_to_async
from django.db import transaction
from django.http import JsonResponse
from django.shortcuts import aget_object_or_404, get_object_or_404
from django.views.decorators.http import require_POST

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Trip
from tutorial_project.trips.tasks import send_confirmation


@known_answer("close_sale")
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


@known_answer("close_sale", breaks="is_sent_by_a_worker", says="and no worker runs")
@require_POST
async def a_task_of_the_process(request, pk):
    keys = await closed(pk)
    for key in keys:
        task = asyncio.create_task(send_confirmation.acall(key))
        kept.add(task)
        task.add_done_callback(kept.discard)
    return JsonResponse({"letters": keys}, status=202)


@known_answer("close_sale", breaks="is_sent_by_a_worker", says="and no worker runs")
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


@known_answer("close_sale", breaks="is_sent_by_a_worker", says="SynchronousOnlyOperation")
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


@known_answer("close_sale", breaks="all_or_nothing", says="written one by one")
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
            trip.save()
            return [send_confirmation.enqueue(b.pk).id for b in trip.bookings.order_by("pk")]

    return JsonResponse({"letters": await close()}, status=202)


@known_answer("close_sale", breaks="odd_requests", says="405")
async def also_on_get(request, pk):
    return await sync_to_async(a_sync_view_that_updates.__wrapped__)(request, pk)
