import json

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import AccessMixin, LoginRequiredMixin
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import aget_object_or_404, get_object_or_404
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.http import require_http_methods

from tutorial_project.classroom.checks import known_answer
from tutorial_project.trips.models import Destination, Review, Trip


def as_row(review):
    return {"author": review.author.username, "rating": review.rating, "text": review.text}


class Lists(View):
    async def get(self, request, pk):
        reviews = Review.objects.filter(trip_id=pk).select_related("author")
        return JsonResponse({"reviews": [as_row(review) async for review in reviews]})


async def created(pk, sent):
    author = await User.objects.aget(username=sent["author"])
    return await Review.objects.acreate(trip_id=pk, author=author, rating=sent["rating"], text=sent["text"])


@known_answer("TripReviews")
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


@known_answer("TripReviews")
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


@known_answer("TripReviews", breaks="lists_the_reviews", says="must either be all sync or all async")
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


class Desk(View):
    async def get(self, request, pk):
        trip = await aget_object_or_404(Trip, pk=pk)
        return JsonResponse({"seats_left": trip.seats_left})

    async def post(self, request, pk):
        await Trip.objects.filter(pk=pk).aupdate(seats_left=F("seats_left") - 1)
        return HttpResponse(status=201)


@known_answer("MembersDesk")
class DecoratedAsyncDispatch(Desk):
    @method_decorator(login_required)
    async def dispatch(self, request, *args, **kwargs):
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk")
@method_decorator(login_required, name="get")
@method_decorator(login_required, name="post")
class EachHandlerDecorated(Desk):
    pass


@known_answer("MembersDesk")
async def wrapped_as_in_urls(request, pk):
    return await login_required(Desk.as_view())(request, pk)


@known_answer("MembersDesk")
class AnswersWithTheAccessMixin(AccessMixin, Desk):
    async def dispatch(self, request, *args, **kwargs):
        if (await request.auser()).is_anonymous:
            return self.handle_no_permission()
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="something sync around them")
@method_decorator(login_required, name="dispatch")
class DecoratedSyncDispatch(Desk):
    pass


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="something sync around them")
class DjangosMixin(LoginRequiredMixin, Desk):
    pass


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="took `self` for the request")
class DecoratedAsAFunction(Desk):
    @login_required
    async def dispatch(self, request, *args, **kwargs):
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="`is_authenticated` says whether")
class AsksWhetherThereIsAUser(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not await request.auser():
            return redirect_to_login(request.get_full_path())
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="has to be returned")
class RedirectNotReturned(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            redirect_to_login(request.get_full_path())
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="sends_visitors_to_the_login", says="got 401")
class Answers401(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            return HttpResponse(status=401)
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="lets_ada_through", says="`request.user` asks the database")
class ReadsRequestUser(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return await super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="lets_ada_through", says="something was called and not awaited")
class SuperNotAwaited(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            return redirect_to_login(request.get_full_path())
        return super().dispatch(request, *args, **kwargs)


@known_answer("MembersDesk", breaks="lets_ada_through", says="did not go through `dispatch`")
class HandsOnTheRequestOnly(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            return redirect_to_login(request.get_full_path())
        return await super().dispatch(request)


@known_answer("MembersDesk", breaks="lets_ada_through", says="ended without a `return`")
class SuperNotReturned(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            return redirect_to_login(request.get_full_path())
        await super().dispatch(request, *args, **kwargs)


@known_answer(
    "MembersDesk", breaks="protects_every_handler", says="the visitor reached the handler of `POST`"
)
@method_decorator(login_required, name="get")
class OnlyGetDecorated(Desk):
    pass


@known_answer("MembersDesk", breaks="still_refuses_other_methods", says="has no attribute 'delete'")
class CallsTheHandlerItself(Desk):
    async def dispatch(self, request, *args, **kwargs):
        if not (await request.auser()).is_authenticated:
            return redirect_to_login(request.get_full_path())
        return await getattr(self, request.method.lower())(request, *args, **kwargs)


ON_SALE = Trip.objects.filter(active=True).select_related("destination")


@known_answer("TripMixin")
class LoadsInAThread:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await sync_to_async(get_object_or_404)(ON_SALE.all(), pk=kwargs["pk"])
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin")
class TakesThePk(View):
    async def dispatch(self, request, pk, **kwargs):
        self.trip = await ON_SALE.filter(pk=pk).afirst()
        if self.trip is None:
            raise Http404
        return await super().dispatch(request, pk=pk, **kwargs)


@known_answer("TripMixin")
class SyncDispatchThatGivesACoroutine:
    def dispatch(self, request, *args, **kwargs):
        return self.load_and_dispatch(super().dispatch, request, *args, **kwargs)

    async def load_and_dispatch(self, dispatch, request, *args, **kwargs):
        try:
            self.trip = await ON_SALE.aget(pk=self.kwargs["pk"])
        except Trip.DoesNotExist:
            return JsonResponse({"error": "no such trip"}, status=404)
        return await dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="loads_the_trip", says="Django calls `setup` without awaiting it")
class AsyncSetup:
    async def setup(self, request, *args, **kwargs):
        super().setup(request, *args, **kwargs)
        self.trip = await aget_object_or_404(ON_SALE, pk=kwargs["pk"])


@known_answer("TripMixin", breaks="loads_the_trip", says="used directly in the event loop")
class SyncSetup:
    def setup(self, request, *args, **kwargs):
        super().setup(request, *args, **kwargs)
        self.trip = get_object_or_404(ON_SALE, pk=kwargs["pk"])


@known_answer("TripMixin", breaks="loads_the_trip", says="something was called and not awaited")
class TripNotAwaited:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = aget_object_or_404(ON_SALE, pk=kwargs["pk"])
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="loads_the_trip", says="ended without a `return`")
class NothingReturned:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await aget_object_or_404(ON_SALE, pk=kwargs["pk"])
        await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="loads_the_trip", says="in the place of the mixin's")
class LoadsInGet:
    async def get(self, request, *args, **kwargs):
        self.trip = await aget_object_or_404(ON_SALE, pk=kwargs["pk"])
        return await super().get(request, *args, **kwargs)


@known_answer("TripMixin", breaks="loads_the_trip", says="did not go through `dispatch`")
class KeepsThePk:
    async def dispatch(self, request, pk, *args, **kwargs):
        self.trip = await aget_object_or_404(ON_SALE, pk=pk)
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="fetches_the_destination", says="the destination was not fetched")
class DestinationNotFetched:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await aget_object_or_404(Trip, pk=kwargs["pk"], active=True)
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="sends_one_query", says='next `select_related("destination")`')
class DestinationPrefetched:
    async def dispatch(self, request, *args, **kwargs):
        on_sale = Trip.objects.filter(active=True).prefetch_related("destination")
        self.trip = await aget_object_or_404(on_sale, pk=kwargs["pk"])
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="sends_one_query", says="2 queries")
class DestinationInASecondQuery:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await aget_object_or_404(Trip, pk=kwargs["pk"], active=True)
        self.trip.destination = await Destination.objects.aget(pk=self.trip.destination_id)
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="answers_404", says="`aget` raises when there is no such row")
class NotFoundNotCaught:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await ON_SALE.aget(pk=kwargs["pk"])
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="answers_404", says='got 200 {"id": 12')
class OffSaleShown:
    async def dispatch(self, request, *args, **kwargs):
        trips = Trip.objects.select_related("destination")
        self.trip = await aget_object_or_404(trips, pk=kwargs["pk"])
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="answers_404", says="'NoneType' object has no attribute")
class NoneHandedOn:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await ON_SALE.filter(pk=kwargs["pk"]).afirst()
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="hands_on_the_url", says="did not go through `dispatch`")
class TakesNothingElse:
    async def dispatch(self, request, pk):
        self.trip = await aget_object_or_404(ON_SALE, pk=pk)
        return await super().dispatch(request, pk=pk)


@known_answer("TripMixin", breaks="refuses_missing_handlers", says="has no attribute 'post'")
class CallsTheHandlerWithTheTrip:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await aget_object_or_404(ON_SALE, pk=kwargs["pk"])
        return await getattr(self, request.method.lower())(request, *args, **kwargs)


@known_answer("TripMixin", breaks="works_with_others", says="`Stamped.dispatch` was never called")
class CallsViewDirectly:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await aget_object_or_404(ON_SALE, pk=kwargs["pk"])
        return await View.dispatch(self, request, *args, **kwargs)
