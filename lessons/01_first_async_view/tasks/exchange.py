from random import randint

from django.utils.datastructures import MultiValueDictKeyError

from tutorial_project.checks import Reply, Task, Trial

from ..shared import about

exchange = Task(
    "exchange",
    routes=["exchange/<str:currency>/"],
    excused={"memory": "the rates stand in the notebook, and the same question has the same answer"},
    hints=(
        "What is the type of everything in `request.GET`, and what if the name is not in it?",
        '`int(request.GET.get("euros", 1))` raises `ValueError` for text that is no whole number, and it takes `-5`.',
        "`raise Http404(…)` for the currency; for the amount `try: euros = int(…)`, `except ValueError:`, "
        "and then `return JsonResponse({…}, status=400)`, the same for `euros < 1`",
    ),
    praise="Right: every bad input has its status. `raise BadRequest(…)` would answer 400 too, and so would "
    "`HttpResponseBadRequest`.",
)


@exchange.requirement(
    'answers `GET /exchange/JPY/?euros=100` with 200 and `{"currency": "JPY", "euros": 100, "amount": 16200}`, '
    "by the rates in `RATES`"
)
async def multiplies(trial: Trial) -> None:
    for currency, rate, euros in (
        ("JPY", 162, randint(2, 900)),
        ("MAD", 11, 1),
        ("ISK", 149, randint(10**6, 10**9)),
    ):
        amount = euros * rate
        reply = await trial.get(f"/exchange/{currency}/?euros={euros}")
        reply.expect(
            200,
            json={"currency": currency, "euros": euros, "amount": amount},
            **about_text(reply, euros, amount),
        )


@exchange.requirement("changes one euro when the query string names no amount")
async def has_a_default(trial: Trial) -> None:
    for query in ("", "?lang=pt"):
        reply = await trial.get(f"/exchange/ISK/{query}")
        why = "`request.GET[…]` raises when the query string does not hold the name"
        if "'NoneType'" in str(reply.error):
            why = "`request.GET.get(…)` gives None when the query string does not hold the name"
        words = about(reply, (MultiValueDictKeyError, TypeError), why, '`request.GET.get("euros", 1)`')
        reply.expect(200, json={"currency": "ISK", "euros": 1, "amount": 149}, **words)


@exchange.requirement(
    "answers 404 when the currency is not in `RATES`, as in `GET /exchange/XXX/` and `GET /exchange/jpy/`"
)
async def knows_its_currencies(trial: Trial) -> None:
    for currency in ("XXX", "jpy"):
        expect_404(await trial.get(f"/exchange/{currency}/?euros=100"))


def expect_404(reply: Reply) -> None:
    """Refuse what is no 404, with the words about an error that comes of a currency without a rate."""
    why = "to an error that it does not know, Django answers 500"
    if "'NoneType'" in str(reply.error):
        why = "the rate of a currency that is not in `RATES` is None here, and calculating with None raises"
    reply.expect(404, **about(reply, (KeyError, TypeError), why, "`raise Http404(…)` for it"))


@exchange.requirement(
    "answers 400 when `euros` is no whole number in digits, such as `ten`, `2.5`, `1e3` or `²`"
)
async def refuses_text(trial: Trial) -> None:
    for euros in ("ten", "2.5", "²", "1e3", "inf", "nan", "0x10"):
        reply = await trial.get(f"/exchange/JPY/?euros={euros}")
        words = about(
            reply,
            ValueError,
            "converting such a text raises, and to an error that it does not know Django answers 500",
            "catch the `ValueError`, and return a response with `status=400`",
        )
        reply.expect(400, **words)


@exchange.requirement("answers 400 when `euros` is less than one, such as `0` or `-5`")
async def refuses_nothing_and_less(trial: Trial) -> None:
    for euros in ("0", "-5", "00"):
        reply = await trial.get(f"/exchange/JPY/?euros={euros}")
        reply.expect(400)


def about_text(reply: Reply, euros: int, amount: int) -> dict[str, str]:
    """The words about an amount that stayed text."""
    if isinstance(reply.error, TypeError) and "'str' and 'int'" in str(reply.error):
        why = "everything in `request.GET` is text, and text and a number are not compared"
        return {"because": why, "next": "`int(…)` around what comes out of `request.GET`"}
    if reply.error is not None or f'"{euros}"' not in reply.text:
        return {}
    why = "everything in `request.GET` is text"
    if str(euros) * (amount // euros) in reply.text:
        why += ", and text times a number repeats the text"
    return {"because": why, "next": "`int(…)` around what comes out of `request.GET`"}
