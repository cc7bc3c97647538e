import json

from django.http import HttpResponse, JsonResponse

from tutorial_project.checks import known_answer


@known_answer("opening_hours")
async def built_by_hand(request):
    return HttpResponse(json.dumps({"closes": 18, "opens": 9}), content_type="application/json")


@known_answer("opening_hours")
def sync_view(request):
    return JsonResponse({"opens": 9, "closes": 18})


@known_answer("opening_hours", breaks="has_the_status_200", says="gives back a response object")
async def a_dictionary(request):
    return {"opens": 9, "closes": 18}


@known_answer("opening_hours", breaks="has_the_status_200", says="ended without a `return`")
async def no_return(request):
    JsonResponse({"opens": 9, "closes": 18})


@known_answer("opening_hours", breaks="is_the_json", says='"9"')
async def hours_as_text(request):
    return JsonResponse({"opens": "9", "closes": "18"})
