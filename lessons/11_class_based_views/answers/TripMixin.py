import asyncio
import time
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import aget_object_or_404, get_object_or_404
from django.views import View

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Destination, Trip

ON_SALE = Trip.objects.filter(active=True).select_related("destination")


@known_answer("TripMixin", when="Where a sync function for it exists already, with more than one query.")
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


@known_answer("TripMixin", breaks="keeps_visitors_apart", says="it is the other visitor's trip")
class KeptOnTheClass:
    async def dispatch(self, request, *args, **kwargs):
        type(self).trip = await aget_object_or_404(ON_SALE, pk=kwargs["pk"])
        return await super().dispatch(request, *args, **kwargs)


locks = WeakKeyDictionary()


@known_answer("TripMixin", breaks="keeps_visitors_apart", says="got one that was still alone")
class OneVisitorAtATime:
    async def dispatch(self, request, *args, **kwargs):
        async with locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            self.trip = await aget_object_or_404(ON_SALE, pk=kwargs["pk"])
            return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="leaves_the_loop_free", says="`time.sleep` holds the event loop")
class RestsBeforeTheHandler:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await aget_object_or_404(ON_SALE, pk=kwargs["pk"])
        time.sleep(0.01)
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="loads_the_trip", says="got 404")
class RefusesWhatIsSoldOut:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await aget_object_or_404(ON_SALE.filter(seats_left__gt=0), pk=kwargs["pk"])
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="loads_the_trip", says="with a handler for POST")
class LoadsForGetAlone:
    async def dispatch(self, request, *args, **kwargs):
        if request.method == "GET":
            self.trip = await aget_object_or_404(ON_SALE, pk=kwargs["pk"])
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="answers_404", says="POST /trips/7000/place/")
class AnswersAPostWithoutATripDifferently:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await ON_SALE.filter(pk=kwargs["pk"]).afirst()
        if self.trip is None:
            return HttpResponse(status=404 if request.method == "GET" else 400)
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="answers_404", says="the ArithmeticError of the handler")
class TakesEveryErrorForAMissingTrip:
    async def dispatch(self, request, *args, **kwargs):
        try:
            self.trip = await ON_SALE.aget(pk=kwargs["pk"])
            return await super().dispatch(request, *args, **kwargs)
        except Exception as error:
            raise Http404 from error


@known_answer(
    "TripMixin",
    breaks="loads_the_trip",
    says="with a handler for POST",
    because="the query has left out a field",
)
class LoadsTwoFieldsAlone:
    async def dispatch(self, request, *args, **kwargs):
        trips = ON_SALE.only("title", "destination__name")
        self.trip = await aget_object_or_404(trips, pk=kwargs["pk"])
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="hands_on_the_url", says="/trips/7/days/3/")
class HandsOnWithoutTheNames:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await aget_object_or_404(ON_SALE, pk=kwargs["pk"])
        return await super().dispatch(request, *args, *kwargs.values())


@known_answer(
    "TripMixin",
    breaks="refuses_missing_handlers",
    says="expected",
    because="the view gave back a coroutine: something was called and not",
)
class DoesNotAwaitThe405:
    async def dispatch(self, request, *args, **kwargs):
        if not hasattr(self, request.method.lower()):
            return self.http_method_not_allowed(request, *args, **kwargs)
        self.trip = await aget_object_or_404(ON_SALE, pk=kwargs["pk"])
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="answers_404", says="the Trip.DoesNotExist of the handler")
class TakesWhatAHandlerMissesForTheTrip:
    async def dispatch(self, request, *args, **kwargs):
        try:
            self.trip = await ON_SALE.aget(pk=kwargs["pk"])
            return await super().dispatch(request, *args, **kwargs)
        except Trip.DoesNotExist as error:
            raise Http404 from error


@known_answer("TripMixin", breaks="answers_404", says="the AttributeError of the handler")
class TakesAnAttributeErrorForNoTrip:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await ON_SALE.filter(pk=kwargs["pk"]).afirst()
        try:
            self.title = self.trip.title
            return await super().dispatch(request, *args, **kwargs)
        except AttributeError as error:
            raise Http404 from error


@known_answer("TripMixin", breaks="answers_404", says="the OperationalError of the database")
class TakesEveryErrorForNoTrip:
    async def dispatch(self, request, *args, **kwargs):
        try:
            self.trip = await ON_SALE.aget(pk=kwargs["pk"])
        except Exception as error:
            raise Http404 from error
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="answers_404", says="its handler has run")
class LooksWhetherItIsActiveAfterwards:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await aget_object_or_404(Trip.objects.select_related("destination"), pk=kwargs["pk"])
        try:
            return await super().dispatch(request, *args, **kwargs)
        finally:
            if not self.trip.active:
                raise Http404


@known_answer("TripMixin", breaks="fetches_the_destination", says="the query has left out a field")
class TheNameOfTheDestinationAlone:
    async def dispatch(self, request, *args, **kwargs):
        most = ON_SALE.defer("destination__country", "destination__description")
        self.trip = await aget_object_or_404(most, pk=kwargs["pk"])
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="loads_the_trip", says="with a handler for PUT")
class KnowsTwoMethods:
    async def dispatch(self, request, *args, **kwargs):
        if request.method not in ("GET", "HEAD", "POST", "OPTIONS"):
            return HttpResponse(status=405, headers={"Allow": "GET, POST"})
        self.trip = await aget_object_or_404(ON_SALE, pk=kwargs["pk"])
        return await super().dispatch(request, *args, **kwargs)


@known_answer("TripMixin", breaks="hands_on_the_url", says="/hotels/")
class TakesNumbersAlone:
    async def dispatch(self, request, *args, **kwargs):
        self.trip = await aget_object_or_404(ON_SALE, pk=kwargs["pk"])
        numbers = {name: int(value) for name, value in kwargs.items()}
        return await super().dispatch(request, *args, **numbers)


EQUAL_MUTANTS = {
    "arg removal: return await super().dispatch(request, *args, **kwargs) → …(request, **kwargs)": "a route whose parts "
    "have names gives no positional arguments",
}
