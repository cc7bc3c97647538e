import asyncio
import contextlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.trips.management.commands.load_sample_data import Command
from tutorial_project.trips.models import Trip
from tutorial_project.words import counted

from ..shared import words_of_an_early_call

reload_agency = Task(
    "reload_agency",
    hints=(
        "`call_command` is sync, and asks the database. Where may it run?",
        "`sync_to_async(function)` gives a function that runs in a thread: call it with the arguments, and await that.",
        '`await sync_to_async(call_command)("load_sample_data", stdout=text)`, then `return text.getvalue()`',
    ),
    praise="Right: the command runs in a thread, and the loop stays free. "
    "`await asyncio.to_thread(…)` would do as well; its thread then has a database connection of its own to close.",
)


@reload_agency.requirement("returns the text that the command printed: `Loaded 12 destinations, 60 trips, …`")
async def returns_what_the_command_printed(trial: Trial) -> None:
    outcome, printed, warned = await _reload(trial)
    words: dict[str, str | None] = {}
    if "was never awaited" in warned:
        words = {
            "because": "the command never ran: the call was not awaited",
            "next": "put `await` before the call of `sync_to_async(…)(…)`",
        }
    elif "Loaded 12" in printed:
        words = {
            "because": "the command printed its line on the screen; `call_command` does not return it",
            "next": "pass `stdout=text` with `text = StringIO()`, and return `text.getvalue()`",
        }
    elif isinstance(outcome.value, io.StringIO):
        words = {"because": "this is the StringIO, not the text in it", "next": "return `text.getvalue()`"}
    outcome.expect_that(
        isinstance(outcome.value, str) and outcome.value.startswith("Loaded 12 destinations, 60 trips"),
        "a text that starts with 'Loaded 12 destinations, 60 trips'",
        **({"got": "an empty text"} if outcome.value == "" else {}),
        **words,
    )
    line = uuid4().hex
    with _command_that_prints_also(line):
        again, *_ = await _reload(trial)
    again.expect_that(
        isinstance(again.value, str) and again.value.count("Loaded") == again.value.count(line) == 1,
        f"what the command printed this time: one line, and {line!r}",
    )


@contextlib.contextmanager
def _command_that_prints_also(line: str) -> Iterator[None]:
    def talkative(self: Command, *args: object, **options: object) -> None:
        HANDLE(self, *args, **options)
        self.stdout.write(line)

    with _handled_by(talkative):
        yield


HANDLE = Command.handle


@contextlib.contextmanager
def _handled_by(handle: Callable[..., None]) -> Iterator[None]:
    """Let the command be handled so within the `with` block.

    Trap: what stood there before may be that of a proof that was given up, and ends after the next one has begun.
    """
    Command.handle = handle  # type: ignore[method-assign]
    try:
        yield
    finally:
        Command.handle = HANDLE  # type: ignore[method-assign]


async def _reload(trial: Trial) -> tuple[Outcome, str, str]:
    """Call the answer; return what came back, what it printed, and the warnings it caused."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", RuntimeWarning)
        outcome = await trial.call()
    outcome.cause = words_of_an_early_call(outcome.error)
    return outcome, printed.getvalue(), " ".join(str(warning.message) for warning in heard)


@reload_agency.requirement("brings back the trips that somebody deleted, each time it is called")
async def brings_back_what_was_deleted(trial: Trial) -> None:
    for _ in range(2):
        await Trip.objects.filter(destination__name="Lisbon").adelete()
        outcome, *_ = await _reload(trial)
        number = await Trip.objects.acount()
        outcome.expect_that(
            number == 60,
            "60 trips in the database of this notebook afterwards",
            got=counted(number, "trip"),
            because="the text came back, but the command has not run on this database since the trips were deleted",
        )


@reload_agency.requirement("lets the rest of the event loop run while the command works")
async def lets_the_loop_run(trial: Trial) -> None:
    with _watched_command() as runs:
        outcome, *_ = await _reload(trial)
    words: dict[str, str] = {}
    if any(run.on_the_loop for run in runs):
        words = {
            "got": "the command ran in the event loop's own thread",
            "because": "the guard against sync queries in the loop was tricked or switched off",
        }
    elif any(not run.gave_way for run in runs):
        words = {
            "got": f"the loop stood still while the command ran in a thread, for {PATIENCE:g} seconds",
            "because": "something waits for the thread without `await`: a `.result()`, or the end of a pool's `with`",
        }
    outcome.expect_that(
        all(run.gave_way for run in runs),
        "other work gets its turn while the command runs",
        next='`await sync_to_async(call_command)("load_sample_data", …)`',
        **words,
    )


PATIENCE = 0.5
"""Seconds that the command waits for other work on the loop to get its turn."""

TURNS = 5
"""Turns of the loop before the command begins, and again when it is done: an answer may give way once."""


@dataclass
class _Run:
    on_the_loop: bool
    gave_way: bool


@contextlib.contextmanager
def _watched_command() -> Iterator[list[_Run]]:
    """Let the command wait, in its own thread, until the loop has done something else: before its work, and after."""
    loop, thread, runs = asyncio.get_running_loop(), threading.get_ident(), list[_Run]()

    def one_turn() -> bool:
        turn = threading.Event()
        loop.call_soon_threadsafe(turn.set)
        return turn.wait(PATIENCE)

    def watched(self: Command, *args: object, **options: object) -> None:
        on_the_loop = threading.get_ident() == thread
        run = _Run(on_the_loop, not on_the_loop and all(one_turn() for _ in range(TURNS)))
        runs.append(run)
        HANDLE(self, *args, **options)
        run.gave_way = run.gave_way and all(one_turn() for _ in range(TURNS))

    with _handled_by(watched):
        yield runs
