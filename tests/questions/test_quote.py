"""Quoted errors as patterns: what may differ, and what must not."""

from __future__ import annotations

import pytest

from tutorial_project.questions.pasted import (
    fits_the_scene,
    found_in,
    is_an_error,
    is_of_another_framework,
    occurrences,
    own_lines,
    plain,
)
from tutorial_project.questions.quote import quotes_of
from tutorial_project.questions.store import Question

FRAMED = """File "…/concurrent/futures/thread.py", line …, in run
TypeError: '…' object is not callable
"""
PASSED = """File "…/django/db/transaction.py", line …, in __enter__
…
SynchronousOnlyOperation: You cannot call this
"""


def is_in(message: str, text: str) -> bool:
    (quote,) = quotes_of(message)
    return bool(list(occurrences(quote, plain(text))))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("RuntimeError: Event loop is closed", "RuntimeError: Event  loop\n is closed"),
        ("RuntimeError: Event loop is closed", "\x1b[31mRuntimeError\x1b[39m: Event loop is closed"),
        ("RuntimeError: Event loop is closed", "raised unexpected: RuntimeError('Event loop is closed')"),
        ("RuntimeError: Event loop is closed", "event loop is closed"),
        ("RuntimeError: Event loop is closed.", "E   RuntimeError: Event loop is closed"),
        ("RuntimeError: Event loop is closed", "    | RuntimeError: Event loop is closed"),
        ("couldn't get a connection after 2.00 sec", "couldn’t get a connection after 30.00 sec"),
        ("couldn't get a connection", "couldn&#x27;t get a connection"),
        ("<coroutine object … at 0x…>", "&lt;coroutine object ask at 0x7f3a&gt;"),
        ("Expected a `Response`", "Expected a Response"),
        ("RuntimeWarning: coroutine '…' was never awaited", "sys:1: RuntimeWarning: coroutine 'A.b' was never awaited"),
        ("ImproperlyConfigured: … HTTP handlers must", "django.core.exceptions.ImproperlyConfigured: X HTTP handlers must"),
    ],
)  # fmt: skip
def test_what_differs_from_machine_to_machine_may_differ(message: str, text: str) -> None:
    assert is_in(message, text)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("RuntimeError: Event loop is closed", "ValueError: Event loop is closed"),
        ("RuntimeError: Event loop is closed", "RuntimeError: Event loop is closedown"),
        ("RuntimeError: Event loop is closed", "RuntimeError: the event loop closed"),
        ("object of type 'coroutine' has no len()", "object of type 'int' has no len()"),
        ("coroutine '…' was never awaited", "coroutine 'a' ran, and 'b' was never awaited"),
        ("ValueError: …<coroutine object …", "KeyError: no <coroutine object ask at 0x7f3a>"),
    ],
)
def test_another_error_is_another_error(message: str, text: str) -> None:
    assert not is_in(message, text)


@pytest.mark.parametrize(
    "frame",
    [
        'File "/usr/lib/python3.11/{}", line 58, in {}',
        "File ~/.venv/lib/python3.13/{}:58, in Its.Class.{}(self)",
        'File "C:\\site-packages\\{}", line 58, in {}',
    ],
)
def test_a_frame_tells_errors_of_the_same_words_apart(frame: str) -> None:
    raised = frame.format("concurrent/futures/thread.py", "run")
    passed = frame.format("django/db/transaction.py", "__enter__")
    other = frame.format("shop/views.py", "page")
    if "\\" in frame:
        raised, passed = raised.replace("/", "\\"), passed.replace("/", "\\")
    error = "TypeError: 'dict' object is not callable"
    assert is_in(FRAMED, f"{other}\n{raised}\n{error}")
    assert not is_in(FRAMED, f"{raised}\n{other}\n{error}")
    assert not is_in(FRAMED, error)
    assert is_in(PASSED, f"{passed}\n{other}\nSynchronousOnlyOperation: You cannot call this")
    assert not is_in(PASSED, f"{other}\nSynchronousOnlyOperation: You cannot call this")


def question(title: str, *messages: str) -> Question:
    quotes = tuple(quote for message in messages for quote in quotes_of(message))
    return Question("01", title, quotes, messages, "", "", "", "", True, "")


def titles(text: str, *questions: Question) -> list[str]:
    return [found.question.title for found in found_in(plain(text), questions)]


def test_of_two_for_one_error_the_more_exact_comes_first() -> None:
    some = question("some", "RuntimeWarning: coroutine '…' was never awaited")
    this = question("this", "RuntimeWarning: coroutine 'alogin' was never awaited")
    assert titles("RuntimeWarning: coroutine 'alogin' was never awaited", some, this) == ["this", "some"]


def test_of_two_errors_the_last_comes_first_and_a_warning_after_them() -> None:
    closed, used = (
        question("closed", "RuntimeError: Event loop is closed"),
        question("used", "TypeError: it was used"),
    )
    warned = question("warned", "RuntimeWarning: coroutine '…' was never awaited")
    text = (
        "RuntimeError: Event loop is closed\n\nDuring handling of the above exception, another exception occurred:\n\n"
        "TypeError: it was used\nsys:1: RuntimeWarning: coroutine 'a' was never awaited"
    )
    assert titles(text, closed, used, warned) == ["used", "closed", "warned"]


def test_the_greater_part_of_a_message_is_enough() -> None:
    said = "The view … didn't return an HttpResponse object. It returned None instead"
    whole = question("whole", said)
    assert titles("didn't return an HttpResponse object. It returned None", whole) == ["whole"]
    assert titles("ValueError: didn't return an HttpResponse object. It returned", whole) == ["whole"]
    assert not titles("an HttpResponse object", whole)
    assert not titles("something else that is as long as the message of it", whole)


def test_the_lines_of_packages_are_not_of_whoever_asks() -> None:
    mine = 'File "/app/views.py", line 1, in page\n    request.user\n'
    package = 'File "/venv/lib/python3.11/site-packages/x.py", line 2, in y\n    render()\n'
    assert own_lines(package + mine) == mine


def test_an_error_is_told_from_a_question() -> None:
    assert is_an_error("django.template.exceptions.TemplateDoesNotExist: a.html")
    assert is_an_error("fatal: not a git repository")
    assert not is_an_error("Why is my view slow?")


def test_of_a_file_a_quote_may_name_a_part() -> None:
    anywhere = 'File "…", line …, in process_response\nTypeError: it was used'
    in_folder = 'File "…/middleware/….py", line …, in …\nTypeError: it was used'
    raised = 'File "/venv/site/middleware/gzip.py", line 9, in process_response\nTypeError: it was used'
    assert is_in(anywhere, raised)
    assert is_in(in_folder, raised)
    assert not is_in(anywhere, raised.replace("process_response", "page"))
    assert not is_in(in_folder, raised.replace("middleware", "views"))


def test_a_frame_below_its_message_counts_where_none_stands_above() -> None:
    below = 'TypeError: it was used\n  File "/app/audit/middleware.py", line 9, in __call__\n'
    assert is_in('File "…/middleware.py", line …, in …\nTypeError: it was used', below)


def test_of_two_frames_the_one_nearer_to_the_readers_own_code_counts() -> None:
    form = question("form", 'File "…/forms/models.py", line …, in …\n…\nTypeError: it was used')
    row = question("row", 'File "…/db/rows.py", line …, in …\n…\nTypeError: it was used')
    text = (
        'File "/app/views.py", line 1, in page\nFile "/venv/forms/models.py", line 2, in clean\n'
        'File "/venv/db/rows.py", line 3, in get\nTypeError: it was used'
    )
    assert titles(text, row, form) == ["form", "row"]


def test_what_sync_code_meets_as_well_comes_after_what_is_surely_async() -> None:
    (shared,) = quotes_of("ConnectError: refused", is_about_sync_too=True)
    refused = Question("06", "refused", (shared,), (), "", "", "", "", True, "")
    group = question("group", "ExceptionGroup: unhandled errors")
    text = "ExceptionGroup: unhandled errors\n  | httpx.ConnectError: refused"
    assert titles(text, refused, group) == ["group", "refused"]


@pytest.mark.parametrize(
    ("title", "text", "fits"),
    [
        ("Why in a notebook?", "Cell In[3], line 1", 2),
        ("Why in a notebook?", 'File "/app/views.py", line 1', 0),
        ("Why in a notebook's test?", "Cell In[3], line 1", 0),
        ("Which `Client`?", "FAILED tests/test_views.py::test_page", 2),
        ("Why at all?", "Cell In[3], line 1", 1),
    ],
)
def test_a_title_may_be_about_the_place_of_an_error(title: str, text: str, fits: int) -> None:
    assert fits_the_scene(title, text) == fits


def test_another_framework_is_known_by_its_frames() -> None:
    frame = 'File "/venv/lib/python3.12/site-packages/starlette/routing.py", line 66, in app\n'
    assert is_of_another_framework(frame)
    assert not is_of_another_framework(frame + 'File "/venv/django/core/handlers/asgi.py", line 1, in x')
    assert not is_of_another_framework("RuntimeError: Event loop is closed")
