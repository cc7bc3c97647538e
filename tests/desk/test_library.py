"""What `explain` finds: errors as they are pasted, questions by title and by keywords, and nothing else."""

from __future__ import annotations

import pytest
from pasted_texts import Case, cases

from tutorial_project.desk.management.library import Answer, Library, kind_of
from tutorial_project.desk.management.word_index import WordIndex

LIBRARY = Library()
PASTED = [*cases("seen.txt"), *cases("held_back.txt"), *cases("from_issues.txt")]
ELSE = cases("about_something_else.txt")
QUESTIONS = cases("own_words.txt")
KNOWN = [(case.headings, *case.text.splitlines()) for case in cases("known_questions.txt")]


@pytest.mark.parametrize("case", PASTED, ids=str)
def test_an_error_as_it_was_pasted_comes_first_and_is_sure(case: Case) -> None:
    first = LIBRARY.find(case.text)[0]
    assert case.is_met_by(first)
    assert first.sure


@pytest.mark.parametrize("case", ELSE, ids=str)
def test_of_what_is_about_something_else_nothing_is_sure(case: Case) -> None:
    assert not [answer.title for answer in LIBRARY.find(case.text) if answer.sure]


@pytest.mark.parametrize("row", [1, 2, 3], ids=["title", "error", "keywords"])
def test_at_least_38_of_40_known_questions_are_found_first_or_second(row: int) -> None:
    asked = [Case(known[0], known[row]) for known in KNOWN if known[row] != "-"]
    missed = [case.text for case in asked if not any(map(case.is_met_by, LIBRARY.find(case.text)[:2]))]
    assert len(asked) == 40 or row == 2
    assert len(missed) <= 2, missed


def test_every_question_is_found_first_by_its_own_title_and_sure() -> None:
    lost = [q.title for q in LIBRARY.questions if not is_first(q.title, LIBRARY.find(q.title))]
    assert lost == []


def is_first(title: str, found: list[Answer]) -> bool:
    return bool(found) and found[0].sure and title in {answer.title for answer in found[:2]}


def test_a_name_that_is_like_another_word_is_not_that_word() -> None:
    index = WordIndex([("connect", "", "the event loop reads"), ("other", "", "words")])
    assert not index.hits("disconnect gevent redis")
    assert index.hits("connecting")[0].number == 0


def test_a_word_with_one_wrong_letter_is_found_and_counts_less() -> None:
    index = WordIndex([("a middleware", "", ""), ("other", "", "words")])
    for misspelled in ("midleware", "middlewaer", "middlewere", "middleeware"):
        (hit,) = index.hits(misspelled)
        assert hit.number == 0
        assert hit.share < 0.75


def test_a_name_that_nobody_knows_is_found_by_its_words() -> None:
    index = WordIndex([("how to manage a transaction", "", ""), ("other", "", "words")])
    assert index.hits("TransactionManagementError")[0].number == 0
    assert index.hits("transaction_manager")[0].number == 0


def test_an_error_with_a_misspelled_word_is_recognised_and_not_for_sure() -> None:
    (first, *_) = LIBRARY.find("RuntimeError: This event loop is already runing")
    assert first.heading == "Await, and start no second loop"
    assert first.is_recognised
    assert not first.sure


@pytest.mark.parametrize("text", ["slug in an async view", "middleware async example"])
def test_an_answer_is_sure_only_where_its_title_asks_the_same(text: str) -> None:
    (first, *_) = LIBRARY.find(text)
    assert not first.sure


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("How do I log in?", "how"),
        ("Why can nobody log in?", "why"),
        ("the login does not work", "why"),
        ("login", ""),
        ("How many visitors may log in?", ""),
    ],
)
def test_what_went_wrong_is_told_from_how_it_is_done(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_words_that_no_text_has_count_against_a_match() -> None:
    index = WordIndex([("a stream of rows", "", ""), ("a pool of connections", "", "")])
    assert index.hits("stream")[0].share == 1
    assert index.hits("stream numpy broadcasting shapes")[0].share < 0.3


def test_a_title_is_found_in_its_other_wordings_too() -> None:
    index = WordIndex(
        [("await them together\nPromise.all; run tasks in parallel", "", ""), ("other", "", "words")]
    )
    (hit,) = index.hits("promise parallel")
    assert (hit.number, hit.share) == (0, 1)
    assert hit.of_wording > hit.of_title


def test_a_word_that_stands_only_in_the_body_is_not_one_of_the_title() -> None:
    index = WordIndex([("lifespan protocol", "", "it opens a client"), ("other", "", "words")])
    (hit,) = index.hits("client")
    assert hit.of_title == 0


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("asynchronous endpoint", "an async view"),
        ("SSE", "server-sent events"),
        ("calls at the same time", "calls together"),
        ("is the visitor authenticated", "request.user.is_authenticated"),
        ("jupyter", "in a notebook"),
        ("how many workers", "the number of workers"),
    ],
)
def test_words_that_mean_the_same_are_one_word(theirs: str, ours: str) -> None:
    index = WordIndex([("nothing", "", "of it"), (ours, "", "")])
    assert [hit.number for hit in index.hits(theirs)] == [1]


def test_another_framework_gets_the_meaning_and_not_for_sure() -> None:
    frame = 'File "/venv/lib/python3.12/site-packages/fastapi/routing.py", line 273, in app\n'
    (first, *_) = LIBRARY.find(frame + "TypeError: object list can't be used in 'await' expression")
    assert first.is_recognised
    assert not first.sure


@pytest.mark.parametrize("case", QUESTIONS, ids=str)
def test_a_question_in_peoples_own_words_is_answered_first_or_second(case: Case) -> None:
    assert any(map(case.is_met_by, LIBRARY.find(case.text)[:2]))


def test_there_are_texts_enough_to_measure_with() -> None:
    assert len(PASTED) >= 60
    assert len(ELSE) >= 40
    assert len(KNOWN) == 40


def test_a_word_that_makes_it_another_question_takes_the_certainty() -> None:
    asked = "do I have to write every view async"
    assert LIBRARY.find("How do I write an async view?")[0].sure
    assert not LIBRARY.find(asked)[0].sure or LIBRARY.find(asked)[0].heading == "When to write an async view"
