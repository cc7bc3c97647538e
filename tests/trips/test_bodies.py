import json

import pytest
from django.core.exceptions import BadRequest
from django.test import RequestFactory

from tutorial_project.trips.bodies import fields_of


def fields(body, **kinds):
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return fields_of(RequestFactory().post("/", content, content_type="application/json"), **kinds)


def test_takes_what_was_named_and_leaves_the_rest():
    sent = {"username": "ada", "trip": 7, "remote_user": "grace"}
    assert fields(sent, username=str, trip=int) == {"username": "ada", "trip": 7}


@pytest.mark.parametrize(
    "body",
    ["", "username=ada", b"\xff\xfe", "[" * 100_000, "NaN", [], [7], "7", None, {}]
    + [{"name": value} for value in (7, None, True, ["ada"], {}, "a\0b", "\ud800")],
)
def test_answers_400_to_a_body_without_such_a_text(body):
    with pytest.raises(BadRequest, match="name"):
        fields(body, name=str)


@pytest.mark.parametrize("value", [True, 7.0, "7", None, float("inf"), [7]])
def test_takes_whole_numbers_only(value):
    with pytest.raises(BadRequest, match="trip"):
        fields({"trip": value}, trip=int)
