"""The small changes: those of mutmut, and what it lacks for code that waits, asks a database and catches errors.

An operator takes a node of libcst's tree and yields nodes to stand in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import libcst as cst
import libcst.matchers as m
from mutmut.mutation import mutators

Operator = Callable[[Any], Iterable[cst.CSTNode]]

QUERYSET_METHODS = (
    "annotate",
    "distinct",
    "exclude",
    "filter",
    "only",
    "order_by",
    "prefetch_related",
    "select_for_update",
    "select_related",
)
OTHER_CALLS = {
    "afirst": "alast",
    "aget_or_create": "acreate",
    "all": "any",
    "any": "all",
    "asave": "arefresh_from_db",
    "first": "last",
    "max": "min",
    "min": "max",
    "sorted": "list",
}
NONE = cst.Name("None")
PASS = cst.SimpleStatementLine([cst.Pass()])


def one_less(node: cst.Integer) -> Iterator[cst.CSTNode]:
    """`5` as `4`; mutmut makes it 6."""
    less = node.evaluated_value - 1
    yield node.with_changes(value=str(less)) if less >= 0 else _parsed(f"({less})")


def text(node: cst.SimpleString) -> Iterator[cst.CSTNode]:
    """`"a"` as `"XXaXX"`: the first of mutmut's changes to a text; those of its case are more of the same."""
    yield from list(mutators.operator_string(node))[:1]


def condition(node: Any) -> Iterator[cst.CSTNode]:
    """`if a:` as `if not a:`, `if True:` and `if False:`; `while True:` as it is, which would hang without an end."""
    parenthesised = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield node.with_changes(test=cst.UnaryOperation(cst.Not(), parenthesised))
    for value in ("True", "False"):
        if not m.matches(node.test, m.Name(value)):
            yield node.with_changes(test=cst.Name(value))


def filter_of_a_comprehension(node: cst.CompFor) -> Iterator[cst.CSTNode]:
    """`[a for a in b if c]` as `[a for a in b]`."""
    for number in range(len(node.ifs)):
        yield node.with_changes(ifs=_without(node.ifs, number))


def call_in_a_chain(node: cst.Call) -> Iterator[cst.CSTNode]:
    """`trips.order_by("price")` as `trips`."""
    named = m.matches(node.func, m.Attribute(attr=m.OneOf(*map(m.Name, QUERYSET_METHODS))))
    if named or m.matches(node.func, m.Attribute(value=m.Call())):
        yield cst.ensure_type(node.func, cst.Attribute).value


def only_keyword(node: cst.Call) -> Iterator[cst.CSTNode]:
    """`Client(timeout=5)` as `Client()`; mutmut leaves out one of several arguments."""
    if len(node.args) == 1 and node.args[0].keyword:
        yield node.with_changes(args=[])


def another_function(node: cst.Name) -> Iterator[cst.CSTNode]:
    """`min` as `max`, `afirst` as `alast`, `sorted` as `list`."""
    if node.value in OTHER_CALLS:
        yield node.with_changes(value=OTHER_CALLS[node.value])


def kind_of_error(node: cst.ExceptHandler) -> Iterator[cst.CSTNode]:
    """`except (A, B):` as `except A:`, `except B:` and `except Exception:`."""
    if isinstance(node.type, cst.Tuple):
        kinds = node.type.elements
        for number in range(len(kinds)):
            fewer = _without(kinds, number)
            yield node.with_changes(
                type=fewer[0].value if len(fewer) == 1 else node.type.with_changes(elements=fewer)
            )
    if node.type is not None and not m.matches(node.type, m.Name("Exception")):
        yield node.with_changes(type=cst.Name("Exception"))


def part_of_a_try(node: cst.Try) -> Iterator[cst.CSTNode]:
    """A `try` without one of its `except`, or without its `finally`."""
    for number in range(len(node.handlers)):
        yield _try(node, _without(node.handlers, number), node.finalbody)
    if node.finalbody is not None:
        yield _try(node, node.handlers, None)


def _try(node: cst.Try, handlers: Any, finalbody: Any) -> cst.CSTNode:
    if handlers:
        return node.with_changes(handlers=handlers, finalbody=finalbody)
    body = node.body
    if node.orelse is not None:  # runs when nothing is raised, which is always now
        body = body.with_changes(body=[*body.body, *node.orelse.body.body])
    if finalbody is not None:
        return cst.Try(body=body, finalbody=finalbody)
    return cst.If(test=cst.Name("True"), body=body)  # a block may stand where a `try` stood


def item_of_a_with(node: cst.With) -> Iterator[cst.CSTNode]:
    """`with a, b as c:` as `with b as c:`; what gives a name is needed."""
    for number, item in enumerate(node.items):
        if item.asname is None:
            fewer = _without(node.items, number)
            yield node.with_changes(items=fewer) if fewer else cst.If(test=cst.Name("True"), body=node.body)


def decorator(node: cst.FunctionDef) -> Iterator[cst.CSTNode]:
    """A function without one of its decorators."""
    for number in range(len(node.decorators)):
        yield node.with_changes(decorators=_without(node.decorators, number))


def statement(node: cst.SimpleStatementLine) -> Iterator[cst.CSTNode]:
    """`pass` for a statement that does something and gives nothing a name."""
    does = m.Expr(value=m.Call() | m.Await()) | m.Raise() | m.AugAssign() | m.Del()
    keeps = m.Assign(targets=[m.AssignTarget(target=m.Attribute() | m.Subscript())])
    if m.matches(node, m.SimpleStatementLine(body=[does | keeps])):
        yield PASS


def order_of_two(node: cst.IndentedBlock) -> Iterator[cst.CSTNode]:
    """A statement that awaits, after the one that follows it."""
    for number, (first, second) in enumerate(zip(node.body, node.body[1:], strict=False)):
        simple = isinstance(first, cst.SimpleStatementLine) and not m.matches(
            second, m.SimpleStatementLine(body=[m.Return() | m.Raise()])
        )
        if simple and m.findall(first, m.Await()):
            yield node.with_changes(body=[*node.body[:number], second, first, *node.body[number + 2 :]])


def together(node: cst.Call) -> Iterator[cst.CSTNode]:
    """`await asyncio.gather(a, b)` as one `await` after the other; the same for the tasks of a group."""
    if m.matches(node.func, m.Attribute(value=m.Name("group"), attr=m.Name("create_task"))):
        yield cst.Await(node.args[0].value, lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def gathered(node: cst.Await) -> Iterator[cst.CSTNode]:
    """See `together`."""
    call = node.expression
    if m.matches(call, m.Call(func=m.Attribute(attr=m.Name("gather")) | m.Name("gather"))):
        waiting = [argument for argument in cst.ensure_type(call, cst.Call).args if argument.keyword is None]
        listed = ", ".join(f"{argument.star}{_code(argument.value)}" for argument in waiting)
        yield _parsed(f"[await each for each in [{listed}]]")


def place_of_a_value(node: cst.Assign) -> Iterator[cst.CSTNode]:
    """`self.a = b` as `type(self).a = b`: one value for all instances."""
    mine = m.AssignTarget(target=m.Attribute(value=m.Name("self")))
    if any(m.matches(target, mine) for target in node.targets):
        yield cst.ensure_type(node.visit(_OfTheClass()), cst.Assign)


class _OfTheClass(cst.CSTTransformer):
    def leave_AssignTarget(self, original_node: cst.AssignTarget, updated_node: cst.AssignTarget) -> Any:
        if m.matches(updated_node.target, m.Attribute(value=m.Name("self"))):
            return updated_node.with_changes(
                target=updated_node.target.with_changes(value=_parsed("type(self)"))
            )
        return updated_node


def local_as_global(node: cst.FunctionDef) -> Iterator[cst.CSTNode]:
    """A local variable as one of the module: one value for all calls that are under way.

    Only one that is read after somebody else could come in between: at an `await`, and in a thread at any call.
    """
    happenings = _Happenings(cst.Await if node.asynchronous else cst.Call)
    node.body.visit(happenings)
    for name in sorted(happenings.read_after_a_wait):
        declared = cst.SimpleStatementLine([cst.Global([cst.NameItem(cst.Name(name))])])
        yield node.with_changes(body=node.body.with_changes(body=[declared, *node.body.body]))


class _Happenings(cst.CSTVisitor):
    """Goes through a function in the order in which it is written."""

    def __init__(self, wait: type[cst.CSTNode]) -> None:
        self.wait = wait
        self.assigned: set[str] = set()
        self.assigned_before_a_wait: set[str] = set()
        self.read_after_a_wait: set[str] = set()

    def visit_Assign(self, node: cst.Assign) -> bool:
        node.value.visit(self)
        for target in node.targets:
            if m.matches(target.target, m.Name() | m.Tuple()):
                self.assigned |= {
                    cst.ensure_type(name, cst.Name).value for name in m.findall(target.target, m.Name())
                }
        return False

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        return False  # has variables of its own

    def visit_Name(self, node: cst.Name) -> None:
        self.read_after_a_wait |= {node.value} & self.assigned_before_a_wait

    def on_leave(self, original_node: cst.CSTNode) -> None:
        super().on_leave(original_node)
        if isinstance(original_node, self.wait):
            self.assigned_before_a_wait |= self.assigned


def _without(parts: Any, number: int) -> list[Any]:
    kept = [part for place, part in enumerate(parts) if place != number]
    # The last of them must not end with a comma of its own.
    if kept and hasattr(kept[-1], "comma") and number == len(parts) - 1:
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return kept


def _parsed(source: str) -> cst.BaseExpression:
    return cst.parse_expression(source)


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


OF_MUTMUT = [
    (kind, operator)
    for kind, operator in mutators.mutation_operators
    if operator is not mutators.operator_string
]
OPERATORS: list[tuple[type, Operator]] = [
    *OF_MUTMUT,
    (cst.SimpleString, text),
    (cst.Integer, one_less),
    (cst.If, condition),
    (cst.IfExp, condition),
    (cst.While, condition),
    (cst.CompFor, filter_of_a_comprehension),
    (cst.Call, call_in_a_chain),
    (cst.Call, only_keyword),
    (cst.Name, another_function),
    (cst.ExceptHandler, kind_of_error),
    (cst.Try, part_of_a_try),
    (cst.With, item_of_a_with),
    (cst.FunctionDef, decorator),
    (cst.SimpleStatementLine, statement),
    (cst.IndentedBlock, order_of_two),
    (cst.Call, together),
    (cst.Await, gathered),
    (cst.Assign, place_of_a_value),
    (cst.FunctionDef, local_as_global),
]


def name_of(operator: Operator) -> str:
    """An operator as a mutant's name says it."""
    return operator.__name__.removeprefix("operator_").replace("_", " ")
