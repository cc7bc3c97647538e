"""Requests that nobody sends on purpose, and everybody gets: made by Hypothesis for the routes of a task."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

CONVERTER = re.compile(r"<(?:(\w+):)?(\w+)>")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
VISITORS = ("nobody", "somebody with a session", "garbage cookie", "ada", "staff")

LIKELY = {"int": ["7", "8"], "str": ["Lisbon", "USD"]}
"""Values that exist: a guard that odd values meet first may hide what is behind it."""

TEXTS = st.one_of(
    st.sampled_from(
        ["\0", "a" * 300, "²", "é", "%", "..", "Lisbon?wait=3", "Lisbon#top", "a b", "'", "<b>", "😀"]
    ),
    st.text(min_size=1, max_size=20).filter(lambda text: "/" not in text),
)
NUMBERS = st.one_of(st.sampled_from([0, 1, 7, 2**31, 2**63, 10**40]), st.integers(min_value=0))
EDGES = {"int": NUMBERS.map(str), "str": TEXTS}


@dataclass(frozen=True)
class OddRequest:
    """One request; `visitor` says whose cookie it carries."""

    method: str
    path: str
    query: str
    body: bytes
    content_type: str
    visitor: str


def odd_requests(routes: Sequence[str], words: Sequence[str]) -> st.SearchStrategy[OddRequest]:
    """Requests to these routes.

    Args:
        routes: as in `path()`, such as "trips/<int:pk>/".
        words: names that the view may look for in the query, in a form or in JSON.
    """
    names = st.sampled_from(sorted(words)) if words else st.just("name")
    queries = st.dictionaries(names, TEXTS | NUMBERS.map(str), max_size=3).map(urlencode)
    return st.builds(
        lambda method, path, query, body, visitor: OddRequest(method, path, query, *body, visitor),
        st.sampled_from(METHODS),
        st.sampled_from(list(routes)).flatmap(_paths),
        st.just("") | queries,
        _bodies(names),
        st.sampled_from(VISITORS),
    )


def likely_path(route: str) -> str:
    """A path of the route that leads to something."""
    return "/" + CONVERTER.sub(lambda match: LIKELY[match[1] or "str"][0], route)


def words_in(source: str) -> list[str]:
    """The short texts that code holds: names of parameters, of fields and of keys are among them."""
    constants = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    return sorted({text for text in constants if isinstance(text, str) and text.isidentifier()})


def _paths(route: str) -> st.SearchStrategy[str]:
    kinds = [converter or "str" for converter, _ in CONVERTER.findall(route)]
    form = CONVERTER.sub("{}", route)
    edges = [st.sampled_from(LIKELY[kind]) | EDGES[kind] for kind in kinds]
    return st.tuples(*edges).map(
        lambda values: "/" + form.format(*(quote(value, safe="") for value in values))
    )


def _bodies(names: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[bytes, str]]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.just("7") | st.just(7)
    values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6)  # fmt: skip
    objects = st.dictionaries(names, leaves, max_size=4)
    as_json = (values | objects).map(lambda value: (json.dumps(value).encode(), "application/json"))
    forms = st.dictionaries(names, TEXTS | NUMBERS.map(str), max_size=4).map(
        lambda fields: (urlencode(fields).encode(), "application/x-www-form-urlencoded")
    )
    raw = st.tuples(st.binary(max_size=30), st.sampled_from(["application/json", "text/plain", "", "multipart/form-data", "multipart/form-data; boundary=x"]))  # fmt: skip
    deep = st.just((b"[" * 100_000, "application/json"))
    return st.just((b"", "")) | as_json | forms | raw | deep
