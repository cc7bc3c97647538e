from django.http import Http404, JsonResponse

from tutorial_project.checks import known_answer
from tutorial_project.trips.models import Trip


@known_answer("trip_title")
async def looked_for_by_hand(request, pk):
    trip = await Trip.objects.filter(pk=pk).afirst()
    if trip is None:
        raise Http404
    return JsonResponse({"title": trip.title})


@known_answer("trip_title", breaks="answers_with_the_title", says="used directly in the event loop")
async def asks_on_the_loop(request, pk):
    return JsonResponse({"title": Trip.objects.get(pk=pk).title})


@known_answer("trip_title", breaks="answers_with_the_title", says="got 201")
async def says_it_with_201(request, pk):
    trip = await Trip.objects.aget(pk=pk)
    return JsonResponse({"title": trip.title}, status=201)


@known_answer("trip_title", breaks="answers_404", says="Trip matching query does not exist")
async def no_404(request, pk):
    trip = await Trip.objects.aget(pk=pk)
    return JsonResponse({"title": trip.title})
