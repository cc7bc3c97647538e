from decimal import Decimal

from django import forms
from django.core.exceptions import BadRequest, ValidationError
from django.http import Http404, HttpResponse, HttpResponseNotFound, JsonResponse

from tutorial_project.checks import known_answer

RATES = {"JPY": 162, "ISK": 149, "MAD": 11}


def exchanged(currency, euros):
    return JsonResponse({"currency": currency, "euros": euros, "amount": RATES[currency] * euros})


@known_answer(
    "exchange", when="Where a helper finds the mistake: Django makes a 404 or a 400 of what it raises."
)
async def raises_bad_request(request, currency):
    try:
        rate, euros = RATES[currency], int(request.GET.get("euros", 1))
    except KeyError:
        raise Http404 from None
    except ValueError as error:
        raise BadRequest from error
    if euros < 1:
        raise BadRequest("less than one euro")
    return JsonResponse({"currency": currency, "euros": euros, "amount": rate * euros})


@known_answer("exchange", when="Where a plain condition says it, and no error has to be caught.")
async def looks_at_the_digits(request, currency):
    euros = request.GET.get("euros", "1")
    if currency not in RATES:
        return HttpResponseNotFound()
    if not euros.isdecimal() or not int(euros):
        return HttpResponse("a whole number, please", status=400)
    return exchanged(currency, int(euros))


@known_answer("exchange", breaks="multiplies", says="text times a number repeats the text")
async def multiplies_text(request, currency):
    return exchanged(currency, request.GET.get("euros", 1))


@known_answer(
    "exchange",
    breaks="multiplies",
    says="everything in `request.GET` is text next",
    because="everything in `request.GET` is text",
)
async def answers_with_the_text(request, currency):
    euros = request.GET.get("euros", "1")
    return JsonResponse({"currency": currency, "euros": euros, "amount": RATES[currency] * int(euros)})


@known_answer("exchange", breaks="multiplies", says="the query string in `request.GET`")
async def asks_as_in_another_framework(request, currency):
    return exchanged(currency, int(request.query_params.get("euros", 1)))


@known_answer("exchange", breaks="has_a_default", says="gives None when the query string")
async def converts_none(request, currency):
    return exchanged(currency, int(request.GET.get("euros")))


@known_answer("exchange", breaks="knows_its_currencies", says="calculating with None raises")
async def multiplies_none(request, currency):
    euros = int(request.GET.get("euros", 1))
    return JsonResponse({"currency": currency, "euros": euros, "amount": RATES.get(currency) * euros})


@known_answer("exchange", breaks="knows_its_currencies", says="an exception was returned")
async def returns_the_exception(request, currency):
    if currency not in RATES:
        return Http404("no such currency")
    return exchanged(currency, int(request.GET.get("euros", 1)))


@known_answer("exchange", breaks="has_a_default", says='`request.GET.get("euros", 1)`')
async def insists_on_an_amount(request, currency):
    return exchanged(currency, int(request.GET["euros"]))


@known_answer(
    "exchange",
    breaks="knows_its_currencies",
    says="KeyError: 'XXX'",
    because="to an error that it does not know, Django answers",
)
async def looks_up_any_currency(request, currency):
    return exchanged(currency, int(request.GET.get("euros", 1)))


@known_answer("exchange", breaks="knows_its_currencies", says="got 400")
async def refuses_all_alike(request, currency):
    try:
        return exchanged(currency, int(request.GET.get("euros", 1)))
    except (KeyError, ValueError):
        raise BadRequest from None


def or_404(currency):
    if currency not in RATES:
        raise Http404


@known_answer(
    "exchange",
    breaks="refuses_text",
    says="ValueError: invalid literal for int()",
    because="converting such a text raises, and to an error that it does not",
)
async def converts_anything(request, currency):
    or_404(currency)
    return exchanged(currency, int(request.GET.get("euros", 1)))


@known_answer("exchange", breaks="refuses_text", says='got 200 {"currency": "JPY", "euros": 1')
async def swallows_the_error(request, currency):
    or_404(currency)
    try:
        return exchanged(currency, int(request.GET.get("euros", 1)))
    except ValueError:
        return exchanged(currency, 1)


@known_answer("exchange", breaks="refuses_text", says='got 200 {"error"')
async def forgets_the_status(request, currency):
    or_404(currency)
    try:
        return exchanged(currency, int(request.GET.get("euros", 1)))
    except ValueError:
        return JsonResponse({"error": "a whole number, please"})


@known_answer("exchange", breaks="refuses_text", says="gave back a tuple")
async def returns_response_and_status(request, currency):
    or_404(currency)
    try:
        return exchanged(currency, int(request.GET.get("euros", 1)))
    except ValueError:
        return JsonResponse({"error": "a whole number, please"}), 400


@known_answer("exchange", breaks="refuses_nothing_and_less", says='"euros": 0')
async def takes_zero(request, currency):
    or_404(currency)
    try:
        return exchanged(currency, int(request.GET.get("euros", 1)))
    except ValueError:
        raise BadRequest from None


@known_answer("exchange", breaks="refuses_nothing_and_less", says='"euros": -5')
async def takes_everything_but_zero(request, currency):
    or_404(currency)
    try:
        euros = int(request.GET.get("euros", 1))
    except ValueError:
        raise BadRequest from None
    return exchanged(currency, euros) if euros else HttpResponse(status=400)


@known_answer("exchange", breaks="knows_its_currencies", says="expected 404")
async def takes_small_letters_too(request, currency):
    or_404(currency.upper())
    return exchanged(currency.upper(), int(request.GET.get("euros", 1)))


@known_answer(
    "exchange",
    breaks="refuses_text",
    says="ValueError: invalid literal for int()",
    because="converting such a text raises, and to an error that it does not",
)
async def asks_whether_they_are_digits(request, currency):
    or_404(currency)
    euros = request.GET.get("euros", "1")
    if not euros.isdigit():
        raise BadRequest
    return exchanged(currency, int(euros))


@known_answer("exchange", breaks="multiplies", says="text was compared with a number")
async def compares_text_with_a_number(request, currency):
    or_404(currency)
    euros = request.GET.get("euros", 1)
    if euros < 1:
        raise BadRequest
    return exchanged(currency, euros)


@known_answer("exchange", breaks="multiplies", says="/exchange/MAD/?euros=1 ")
async def changes_more_than_one(request, currency):
    if currency not in RATES:
        raise Http404
    try:
        euros = int(request.GET.get("euros", 1))
    except ValueError:
        return HttpResponse(status=400)
    return HttpResponse(status=400) if "euros" in request.GET and euros <= 1 else exchanged(currency, euros)


@known_answer("exchange", breaks="refuses_nothing_and_less", says="/exchange/JPY/?euros=00")
async def knows_nothing_by_one_digit(request, currency):
    if currency not in RATES:
        raise Http404
    text = request.GET.get("euros", "1")
    if not text.isdecimal() or text == "0":
        return HttpResponse(status=400)
    return exchanged(currency, int(text))


@known_answer("exchange", when="Where the rules of an amount are to be declared, as for a form.")
async def asks_a_field_of_a_form(request, currency):
    or_404(currency)
    try:
        euros = forms.IntegerField(min_value=1).clean(request.GET.get("euros", "1"))
    except ValidationError as error:
        return JsonResponse({"errors": error.messages}, status=400)
    return exchanged(currency, euros)


@known_answer("exchange", breaks="has_a_default", says="?lang=pt", because="raises when the query string")
async def looks_whether_there_is_a_query_string(request, currency):
    or_404(currency)
    try:
        euros = int(request.GET["euros"]) if request.GET else 1
    except ValueError:
        return HttpResponse(status=400)
    return exchanged(currency, euros) if euros >= 1 else HttpResponse(status=400)


def whole(number):
    if number != number // 1 or number < 1:
        raise BadRequest
    return int(number)


@known_answer("exchange", breaks="refuses_text", says="euros=1e3")
async def takes_what_is_whole_as_a_float(request, currency):
    or_404(currency)
    try:
        return exchanged(currency, whole(float(request.GET.get("euros", "1"))))
    except (ValueError, OverflowError):
        raise BadRequest from None


@known_answer("exchange", breaks="refuses_text", says="euros=1e3")
async def takes_what_is_whole_as_a_decimal(request, currency):
    or_404(currency)
    try:
        return exchanged(currency, whole(Decimal(request.GET.get("euros", "1"))))
    except (ArithmeticError, ValueError):
        raise BadRequest from None


EQUAL_MUTANTS = {
    "kind of error: except ValueError: → except Exception:": "`int` raises nothing else for a text",
}
