import asyncio
from contextlib import suppress

from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import BadRequest
from django.db import transaction
from django.db.models import F
from django.http import JsonResponse
from django.shortcuts import aget_object_or_404
from django.views.decorators.http import require_POST

from tutorial_project.checks.known_answers import known_answer
from tutorial_project.services import ServiceError, ask, ask_blocking
from tutorial_project.trips.bodies import fields_of
from tutorial_project.trips.models import Account, Review, Trip

BROKEN = "keeps_the_review"


def page(store_and_tell):
    """The view around another way to store a review and to tell the office."""

    async def view(request, pk):
        sent = fields_of(request, traveller=int, rating=int, text=str)
        if not 1 <= sent["rating"] <= 5:
            raise BadRequest
        trip = await aget_object_or_404(Trip, pk=pk)
        account = await aget_object_or_404(Account, owner=sent.pop("traveller"))
        answer = await store_and_tell(trip, account, sent)
        return answer or JsonResponse({"rating": sent["rating"]}, status=201)

    view.__name__ = view.__qualname__ = store_and_tell.__name__
    return require_POST(view)


def write(trip, account, sent):
    Account.objects.filter(pk=account.pk).update(balance=F("balance") + 5)
    return Review.objects.create(trip=trip, author_id=account.owner_id, **sent)


@sync_to_async
@transaction.atomic
def write_both(trip, account, sent):
    return write(trip, account, sent)


@sync_to_async
@transaction.atomic
def write_both_and_tell(trip, account, sent):
    review = write(trip, account, sent)
    ask_blocking("echo", review=review.pk, trip=trip.pk)


async def tell(review):
    with suppress(ServiceError):
        await ask("echo", review=review.pk, trip=review.trip_id)


under_way = set()


@known_answer("post_review", when="Where the traveller shall not wait for the office.")
@page
async def told_after_the_answer(trip, account, sent):
    under_way.add(task := asyncio.create_task(tell(await write_both(trip, account, sent))))
    task.add_done_callback(under_way.discard)


@known_answer("post_review", when="Where other code may open a transaction around this one.")
@page
async def told_on_commit(trip, account, sent):
    def tell_office(review):
        with suppress(ServiceError):
            ask_blocking("echo", review=review.pk, trip=trip.pk)

    @sync_to_async
    def store():
        with transaction.atomic():
            review = write(trip, account, sent)
            transaction.on_commit(lambda: tell_office(review))

    await store()


@known_answer("post_review", breaks="keeps_the_review", says="expected 201")
@page
async def says_so_with_502(trip, account, sent):
    try:
        await write_both_and_tell(trip, account, sent)
    except ServiceError:
        return JsonResponse({"error": "come back tomorrow"}, status=502)


@known_answer("post_review", breaks="keeps_the_review", says="takes back all that was written")
@page
async def tries_again(trip, account, sent):
    for _ in range(3):
        with suppress(ServiceError):
            return await write_both_and_tell(trip, account, sent)


@known_answer("post_review", breaks="keeps_the_review", says="takes back all that was written")
@page
async def catches_in_between(trip, account, sent):
    @sync_to_async
    def store():
        with suppress(ServiceError), transaction.atomic():
            review = write(trip, account, sent)
            ask_blocking("echo", review=review.pk, trip=trip.pk)

    await store()


@known_answer("post_review", breaks="keeps_the_review", says="ServiceError")
@page
async def lets_the_error_out(trip, account, sent):
    review = await write_both(trip, account, sent)
    await ask("echo", review=review.pk, trip=trip.pk)


@known_answer("post_review", breaks="tells_the_office", says="was told nothing")
@page
async def without_the_office(trip, account, sent):
    await write_both(trip, account, sent)


@known_answer("post_review", breaks="stores_both_or_none", says="one half was written")
@page
async def without_a_transaction(trip, account, sent):
    review = await Review.objects.acreate(trip=trip, author_id=account.owner_id, **sent)
    await Account.objects.filter(pk=account.pk).aupdate(balance=F("balance") + 5)
    await tell(review)


@known_answer("post_review", breaks="holds_up_nobody", says="in an open transaction")
@page
async def catches_inside_of_the_transaction(trip, account, sent):
    @sync_to_async
    @transaction.atomic
    def store():
        review = write(trip, account, sent)
        with suppress(ServiceError):
            ask_blocking("echo", review=review.pk, trip=trip.pk)

    await store()


@known_answer("post_review", breaks="holds_up_nobody", says="in an open transaction")
@page
async def stores_it_again(trip, account, sent):
    try:
        await write_both_and_tell(trip, account, sent)
    except ServiceError:
        await write_both(trip, account, sent)


locks = {}


@known_answer("post_review", breaks="holds_up_nobody", says="a lock")
@page
async def behind_a_lock(trip, account, sent):
    async with locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        await tell(await write_both(trip, account, sent))


@known_answer("post_review", breaks="stores_the_review", says="no review")
@page
async def in_a_task_that_nobody_awaits(trip, account, sent):
    asyncio.get_running_loop().call_later(60, write, trip, account, sent)


@known_answer("post_review", breaks="refuses_what_is_no_review", says="expected 400")
async def takes_every_rating(request, pk):
    sent = fields_of(request, traveller=int, rating=int, text=str)
    trip = await aget_object_or_404(Trip, pk=pk)
    account = await aget_object_or_404(Account, owner=sent.pop("traveller"))
    await tell(await write_both(trip, account, sent))
    return JsonResponse({"rating": sent["rating"]}, status=201)


@known_answer("post_review", breaks="stays_on_the_loop", says="costs one thread for each visitor")
def everything_sync(request, pk):
    return async_to_sync(told_after_the_answer)(request, pk)


@known_answer("post_review", breaks="stores_the_review", says="worked out from an older one")
@page
async def adds_to_the_balance_it_has_read(trip, account, sent):
    @sync_to_async
    @transaction.atomic
    def store():
        account.balance += 5
        account.save(update_fields=["balance"])
        return Review.objects.create(trip=trip, author_id=account.owner_id, **sent)

    await tell(await store())


@known_answer("post_review", breaks="stores_both_or_none", says="takes more than the office's errors")
@page
async def takes_every_error_for_the_offices(trip, account, sent):
    with suppress(Exception):
        await tell(await write_both(trip, account, sent))


@known_answer("post_review", breaks="refuses_what_is_no_review", says="only a POST changes something")
async def stores_for_who_only_looks(request, pk):
    return await told_on_commit.__wrapped__(request, pk)


@known_answer("post_review", breaks="refuses_what_is_no_review", says="expected 400")
@require_POST
async def knows_no_highest_rating(request, pk):
    sent = fields_of(request, traveller=int, rating=int, text=str)
    if sent["rating"] < 1:
        raise BadRequest
    trip = await aget_object_or_404(Trip, pk=pk)
    account = await aget_object_or_404(Account, owner=sent.pop("traveller"))
    await tell(await write_both(trip, account, sent))
    return JsonResponse({"rating": sent["rating"]}, status=201)


@known_answer("post_review", breaks="stores_both_or_none", says="the office was told nothing")
@page
async def guesses_the_key_and_tells_first(trip, account, sent):
    last = await Review.objects.order_by("pk").alast()
    with suppress(ServiceError):
        await ask("echo", review=last.pk + 1 if last else 1, trip=trip.pk)
    await write_both(trip, account, sent)


@known_answer("post_review", breaks="stores_the_review", says="reviews of other travellers")
@page
async def five_euros_for_everybody(trip, account, sent):
    @sync_to_async
    @transaction.atomic
    def store():
        Account.objects.update(balance=F("balance") + 5)
        return Review.objects.create(trip=trip, author_id=account.owner_id, **sent)

    await tell(await store())


@known_answer("post_review", breaks="stores_the_review", says="the ratings [1, 2, 3, 4, 5] are stored")
@page
async def one_review_for_each_traveller(trip, account, sent):
    @sync_to_async
    @transaction.atomic
    def store():
        Account.objects.filter(pk=account.pk).update(balance=F("balance") + 5)
        reviews = Review.objects.filter(trip=trip, author_id=account.owner_id)
        if reviews.update(**sent):
            return reviews.get()
        return Review.objects.create(trip=trip, author_id=account.owner_id, **sent)

    await tell(await store())


@known_answer("post_review", breaks="stores_the_review", says="400")
@require_POST
async def knows_no_five(request, pk):
    if not 1 <= fields_of(request, rating=int)["rating"] < 5:
        raise BadRequest
    return await told_after_the_answer(request, pk)


@known_answer("post_review", breaks="tells_the_office", says="the office was told")
@page
async def tells_of_the_last_review(trip, account, sent):
    await write_both(trip, account, sent)
    await tell(await Review.objects.select_related("trip").alatest("pk"))


@known_answer("post_review", breaks="stores_the_review", says="each of its trip")
@require_POST
async def one_trip_for_all(request, pk):
    global trip_of_all
    sent = fields_of(request, traveller=int, rating=int, text=str)
    if not 1 <= sent["rating"] <= 5:
        raise BadRequest
    trip_of_all = await aget_object_or_404(Trip, pk=pk)
    account = await aget_object_or_404(Account, owner=sent.pop("traveller"))
    await tell(await write_both(trip_of_all, account, sent))
    return JsonResponse({"rating": sent["rating"]}, status=201)


EQUAL_MUTANTS = {
    "order of two: trip = await aget_object_or_404(Trip, pk=pk) ⏎ account = …": "who is missing first gives the same 404",
    "order of two: account = await aget_object_or_404(…": "the function is only made there",
}
