"""A verdict as it is read: in a terminal, in a notebook, and by a screen reader."""

from __future__ import annotations

import html
import itertools
import re

import pytest

from tutorial_project.checks import Outcome, Refusal, Reply, Task
from tutorial_project.checks.outcome import DidNotFinish
from tutorial_project.checks.verdict import NOT_TRIED, WIDTH, Result, Verdict

ADDRESS = "/status-board/?" + "&".join(
    f"service=weather/{city}-{number}" for city in ("Lisbon", "Kyoto") for number in range(9)
)
REFUSED = Refusal(
    sent=f"GET {ADDRESS}  X-App: travel",
    expected='200 {"city": "São Paulo", "a < b": true}',
    got="500",
    because="`x < y` compares <i>two</i> & more",
    next="`await`",
)
TASK = Task("page", hints=("Why?",), praise="Right: `await` it.")
for sentence in ("answers `GET /page/`", "waits", "ends"):
    TASK.requirement(sentence)(lambda trial: None)


def verdict(*refusals: Refusal | None) -> Verdict:
    names = [requirement.sentence for requirement in TASK.requirements]
    return Verdict(TASK, [Result(name, name, refusal) for name, refusal in zip(names, refusals, strict=True)])


VERDICTS = [
    verdict(None, None, None),
    verdict(None, REFUSED, REFUSED),
    verdict(DidNotFinish(sent="GET /page/", seconds=4.5, places=["`x`, in `page`"]), NOT_TRIED, NOT_TRIED),
    Verdict(TASK, [], REFUSED),
    Verdict(TASK, [], started=False),
    Verdict(Task("partial", (), ""), [], REFUSED),
]


def words(text: str) -> list[str]:
    return re.sub(r"`|\s+", "", text).split()


@pytest.mark.parametrize("verdict", VERDICTS, ids=lambda verdict: verdict.state)
def test_the_html_holds_the_words_of_the_text_in_their_order(verdict: Verdict) -> None:
    bundle = verdict._repr_mimebundle_()
    shown = re.sub(r"<style>.*?</style>|<[^>]+>", "", bundle["text/html"])
    assert bundle["text/plain"] == verdict.text
    assert words(html.unescape(shown)) == words(verdict.text)


@pytest.mark.parametrize("verdict", VERDICTS, ids=lambda verdict: verdict.state)
def test_no_line_is_longer_than_the_width_and_addresses_break_where_they_may(verdict: Verdict) -> None:
    lines = verdict.text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    for first, second in itertools.pairwise(lines):
        if ADDRESS[:15] in first and "service" in second:
            assert first.endswith("/") or second.strip().startswith(("&", "?"))


def test_an_address_that_fits_stays_whole() -> None:
    short = Refusal(sent="GET " + "/seats" * 10 + "/", expected="200", got="404")
    assert f"sent       {short.sent}" in verdict(short, None, None).text


def test_a_hang_is_marked_in_text_and_in_html() -> None:
    hanging = VERDICTS[2]
    assert hanging.text.splitlines()[-4:-2] == ["  · waits (not tried)", "  · ends (not tried)"]
    assert '<span class="mark">· </span>waits (not tried)' in hanging._repr_mimebundle_()["text/html"]
    assert hanging.headline == "✗ page   not yet · 0 of 3"


def test_evidence_cannot_write_html() -> None:
    shown = VERDICTS[1]._repr_mimebundle_()["text/html"]
    assert "<i>" not in shown
    assert "<code>x &lt; y</code> compares &lt;i&gt;two&lt;/i&gt; &amp; more" in shown


def test_a_verdict_on_no_task_has_neither_score_nor_hint() -> None:
    assert VERDICTS[-1].headline == "✗ partial   not yet"
    assert "hint" not in VERDICTS[-1].text


def reply(body: bytes, content_type: str = "application/json") -> Reply:
    import httpx

    return Reply("GET /page/", httpx.Response(200, content=body, headers={"Content-Type": content_type}))


@pytest.mark.parametrize(
    ("body", "got"),
    [
        (b'{"forecast": "24 \\u00b0C"}', '200 {"forecast": "24 °C"}'),
        (b'["S\\u00e3o Paulo"]', '200 ["São Paulo"]'),
        (b'"\\u00b0" is no JSON', '200 "\\u00b0" is no JSON'),
        (b"42", "200 42"),
        (b"", "200"),
    ],
)
def test_got_is_written_in_the_alphabet_of_expected(body: bytes, got: str) -> None:
    assert reply(body).got == got


def test_a_request_is_shown_in_that_alphabet_too() -> None:
    from tutorial_project.checks.trial import described_request

    assert (
        described_request("POST", "/trips/", {"json": {"city": "São Paulo"}})
        == 'POST /trips/  {"city": "São Paulo"}'
    )


def test_what_is_known_of_one_error_comes_before_what_is_known_of_its_kind() -> None:
    outcome = Outcome(
        "a call", error=TypeError("page() got an unexpected keyword argument"), cause=("this", "that")
    )
    with pytest.raises(Refusal) as refusal:
        outcome.expect(1, because="something else")
    assert (refusal.value.because, refusal.value.next) == ("this", "that")
