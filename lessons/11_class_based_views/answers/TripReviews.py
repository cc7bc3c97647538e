import json

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import HttpResponse, JsonResponse
from django.shortcuts import aget_object_or_404
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.http import require_http_methods

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Review, Trip


def as_row(review):
    return {"author": review.author.username, "rating": review.rating, "text": review.text}


class Lists(View):
    async def get(self, request, pk):
        reviews = Review.objects.filter(trip_id=pk).select_related("author")
        return JsonResponse({"reviews": [as_row(review) async for review in reviews]})


async def created(pk, sent):
    author = await User.objects.aget(username=sent["author"])
    return await Review.objects.acreate(trip_id=pk, author=author, rating=sent["rating"], text=sent["text"])


@known_answer(
    "TripReviews", when="Where what is saved belongs in one transaction: one sync method, in a thread."
)
class SavesInASyncMethod(Lists):
    async def post(self, request, pk):
        sent = json.loads(request.body)
        if not 1 <= sent["rating"] <= 5:
            return HttpResponse(status=400)
        return JsonResponse(await sync_to_async(self.save)(pk, sent), status=201)

    @transaction.atomic
    def save(self, pk, sent):
        author = User.objects.get(username=sent.pop("author"))
        return as_row(Review.objects.create(trip_id=pk, author=author, **sent))


@known_answer("TripReviews", when="Where every handler begins with the trip: `dispatch` loads it once.")
class ThroughTheTrip(View):
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await aget_object_or_404(Trip, pk=kwargs["pk"])
        return await super().dispatch(request, *args, **kwargs)

    async def get(self, request, pk):
        rows = self.trip.reviews.values_list("author__username", "rating", "text")
        keys = ("author", "rating", "text")
        return JsonResponse({"reviews": [dict(zip(keys, row, strict=True)) async for row in rows]})

    async def post(self, request, pk):
        sent = json.loads(request.body)
        review = Review(trip=self.trip, rating=sent["rating"], text=sent["text"])
        review.author = await User.objects.aget(username=sent["author"])
        if review.rating not in (1, 2, 3, 4, 5):
            return JsonResponse({"error": "1 to 5"}, status=400)
        await review.asave()
        return JsonResponse(sent, status=201)


@known_answer(
    "TripReviews",
    breaks="lists_the_reviews",
    says="must either be all sync or all async",
    because="`as_view()` marks the whole class as async or as sync, and its",
)
class SyncPost(Lists):
    def post(self, request, pk):
        return HttpResponse(status=201)


@known_answer("TripReviews", breaks="lists_the_reviews", says="the author was not fetched")
class AuthorNotFetched(View):
    async def get(self, request, pk):
        reviews = Review.objects.filter(trip_id=pk)
        return JsonResponse({"reviews": [as_row(review) async for review in reviews]})


@known_answer("TripReviews", breaks="lists_the_reviews", says="reviews of other trips are among them")
class ListsAllReviews(View):
    async def get(self, request, pk):
        reviews = Review.objects.select_related("author")
        return JsonResponse({"reviews": [as_row(review) async for review in reviews]})


@known_answer("TripReviews", breaks="adds_a_review", says="something was called and not awaited")
class ReviewNotAwaited(Lists):
    async def post(self, request, pk):
        review = created(pk, json.loads(request.body))
        return JsonResponse(as_row(review), status=201)


@known_answer("TripReviews", breaks="adds_a_review", says="the author was not fetched")
class AuthorByItsKey(Lists):
    async def post(self, request, pk):
        sent = json.loads(request.body)
        author = await User.objects.aget(username=sent["author"])
        review = await Review.objects.acreate(
            trip_id=pk, author_id=author.pk, rating=sent["rating"], text=sent["text"]
        )
        return JsonResponse(as_row(review), status=201)


@known_answer("TripReviews", breaks="adds_a_review", says="got 200")
class Answers200(Lists):
    async def post(self, request, pk):
        return JsonResponse(as_row(await created(pk, json.loads(request.body))))


@known_answer("TripReviews", breaks="adds_a_review", says="no review added in the database")
class BuildsAndDoesNotSave(Lists):
    async def post(self, request, pk):
        sent = json.loads(request.body)
        author = await User.objects.aget(username=sent["author"])
        review = Review(trip_id=pk, author=author, rating=sent["rating"], text=sent["text"])
        return JsonResponse(as_row(review), status=201)


@known_answer("TripReviews", breaks="adds_a_review", says="`request.POST` holds the fields of a form")
class ReadsTheFormFields(Lists):
    async def post(self, request, pk):
        return JsonResponse(as_row(await created(pk, request.POST)), status=201)


class Trusts(Lists):
    async def post(self, request, pk):
        return JsonResponse(as_row(await created(pk, json.loads(request.body))), status=201)


@known_answer("TripReviews", breaks="refuses_other_ratings", says="the database refuses such a rating")
class TrustsEveryRating(Trusts):
    pass


@known_answer("TripReviews")
class LeavesTheRangeToTheDatabase(Trusts):
    async def post(self, request, pk):
        try:
            return await super().post(request, pk)
        except IntegrityError:
            return HttpResponse(status=400)


class Checks(Trusts):
    async def post(self, request, pk):
        if json.loads(request.body)["rating"] not in range(1, 6):
            return HttpResponse(status=400)
        return await super().post(request, pk)


@known_answer("TripReviews", breaks="refuses_other_methods", says="something sync around them")
@method_decorator(require_http_methods(["GET", "POST"]), name="dispatch")
class MethodsRefusedByADecorator(Checks):
    pass


@known_answer("TripReviews", breaks="refuses_other_methods", says="expected 405")
class PostsWhateverIsNoGet(Checks):
    async def dispatch(self, request, pk):
        return await self.get(request, pk) if request.method == "GET" else await self.post(request, pk)


@known_answer("TripReviews", breaks="is_async", says="`async def` before every handler")
class SyncHandlers(View):
    def get(self, request, pk):
        reviews = Review.objects.filter(trip_id=pk).select_related("author")
        return JsonResponse({"reviews": [as_row(review) for review in reviews]})

    def post(self, request, pk):
        sent = json.loads(request.body)
        if sent["rating"] not in range(1, 6):
            return HttpResponse(status=400)
        author = User.objects.get(username=sent.pop("author"))
        return JsonResponse(as_row(Review.objects.create(trip_id=pk, author=author, **sent)), status=201)


@known_answer("TripReviews", breaks="lists_the_reviews", says="the 120 reviews of trip")
class TenAtMost(Lists):
    async def get(self, request, pk):
        reviews = Review.objects.filter(trip_id=pk).select_related("author")[:10]
        return JsonResponse({"reviews": [as_row(review) async for review in reviews]})

    async def post(self, request, pk):
        return JsonResponse(as_row(await created(pk, json.loads(request.body))), status=201)


@known_answer("TripReviews", breaks="adds_a_review", says="expected 201")
class CutsTheText(Lists):
    async def post(self, request, pk):
        sent = json.loads(request.body)
        return JsonResponse(as_row(await created(pk, {**sent, "text": sent["text"][:80]})), status=201)


class Sent:
    body = b""


@known_answer("TripReviews", breaks="adds_a_review", says="two requests share something")
class KeepsTheBodyOnAClass(Lists):
    async def post(self, request, pk):
        Sent.body = request.body
        sent = json.loads(Sent.body)
        if not 1 <= sent["rating"] <= 5:
            return HttpResponse(status=400)
        author = await User.objects.aget(username=sent["author"])
        sent = json.loads(Sent.body)
        review = Review(trip_id=pk, author=author, rating=sent["rating"], text=sent["text"])
        await review.asave()
        return JsonResponse(as_row(review), status=201)


@known_answer("TripReviews", breaks="refuses_other_ratings", says="the database refuses such a rating")
class LooksForTwoRatings(Lists):
    async def post(self, request, pk):
        sent = json.loads(request.body)
        if sent["rating"] in (0, 6):
            return HttpResponse(status=400)
        return JsonResponse(as_row(await created(pk, sent)), status=201)


@known_answer("TripReviews", breaks="lists_the_reviews", says="got 100 of them")
class ListsOnePage(SavesInASyncMethod):
    async def get(self, request, pk):
        reviews = Review.objects.filter(trip_id=pk).select_related("author")[:100]
        return JsonResponse({"reviews": [as_row(review) async for review in reviews]})


@known_answer("TripReviews", breaks="lists_the_reviews", says="119 of them")
class LeavesOutReviewsWithoutText(SavesInASyncMethod):
    async def get(self, request, pk):
        reviews = Review.objects.filter(trip_id=pk).exclude(text="").select_related("author")
        return JsonResponse({"reviews": [as_row(review) async for review in reviews]})


@known_answer("TripReviews", breaks="lists_the_reviews", says="expected 200")
class ListsByAuthor(SavesInASyncMethod):
    async def get(self, request, pk):
        reviews = Review.objects.filter(trip_id=pk).select_related("author").order_by("author_id", "pk")
        return JsonResponse({"reviews": [as_row(review) async for review in reviews]})


@known_answer("TripReviews", breaks="lists_the_reviews", says="expected 200")
class CutsLongTexts(SavesInASyncMethod):
    async def get(self, request, pk):
        reviews = Review.objects.filter(trip_id=pk).select_related("author")
        rows = [as_row(review) async for review in reviews]
        return JsonResponse({"reviews": [row | {"text": row["text"][:200]} for row in rows]})


@known_answer("TripReviews", breaks="adds_a_review", says="TRAVELLER")
class FindsTheAuthorInAnyCase(SavesInASyncMethod):
    def save(self, pk, sent):
        author = User.objects.filter(username__iexact=sent.pop("author")).order_by("-pk").first()
        return as_row(Review.objects.create(trip_id=pk, author=author, **sent))


@known_answer("TripReviews", breaks="adds_a_review", says="Traveller")
class FindsTheFirstAuthorInAnyCase(SavesInASyncMethod):
    def save(self, pk, sent):
        author = User.objects.filter(username__iexact=sent.pop("author")).order_by("pk").first()
        return as_row(Review.objects.create(trip_id=pk, author=author, **sent))


@known_answer("TripReviews", breaks="refuses_other_methods", says="expected 405")
class TakesPutAsWell(SavesInASyncMethod):
    async def put(self, request, pk):
        return await self.post(request, pk)


@known_answer("TripReviews", breaks="lists_the_reviews", says="three queries at most")
class AsksForEachAuthor(SavesInASyncMethod):
    async def get(self, request, pk):
        reviews = [review async for review in Review.objects.filter(trip_id=pk)]
        for review in reviews:
            review.author = await User.objects.aget(pk=review.author_id)
        return JsonResponse({"reviews": [as_row(review) for review in reviews]})


@known_answer("TripReviews")
class PrefetchesTheAuthors(SavesInASyncMethod):
    async def get(self, request, pk):
        trip = await Trip.objects.prefetch_related("reviews__author").aget(pk=pk)
        return JsonResponse({"reviews": [as_row(review) for review in trip.reviews.all()]})


@known_answer("TripReviews", breaks="lists_the_reviews", says="the 120 reviews of trip")
class LeavesOutWhoIsGone(SavesInASyncMethod):
    async def get(self, request, pk):
        reviews = Review.objects.filter(trip_id=pk, author__is_active=True).select_related("author")
        return JsonResponse({"reviews": [as_row(review) async for review in reviews]})


@known_answer("TripReviews", breaks="adds_a_review", says="still in the database")
class ReplacesAnAuthorsReview(SavesInASyncMethod):
    def save(self, pk, sent):
        author = User.objects.get(username=sent.pop("author"))
        review, _ = Review.objects.update_or_create(trip_id=pk, author=author, defaults=sent)
        return as_row(review)


EQUAL_MUTANTS = {
    "order of two: trip = await aget_object_or_404(Trip, pk=pk) ⏎ author = …": "which of the two is looked up first is "
    "left open",
}


@known_answer("TripReviews", breaks="adds_a_review", says="expected 201")
class StripsTheText(SavesInASyncMethod):
    def save(self, pk, sent):
        return super().save(pk, sent | {"text": sent["text"].strip()})
