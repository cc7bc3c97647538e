import asyncio
import contextlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

from tutorial_project.checks import Outcome, Task, Trial
from tutorial_project.checks.proofs.clock import HeldClock, held_clock
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
    text = again.value if isinstance(again.value, str) else ""
    again.expect_that(
        text.startswith("Loaded 12") and text.count("Loaded") == 1 and text.rstrip().endswith(f"\n{line}"),
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


@reload_agency.requirement(
    "brings back the trips that somebody deleted, each time it is called, and returns when they are back"
)
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
    await _waits_for_a_slow_command(trial)


SLOW = 1.9
"""Seconds that a slow command takes, by the clock of the loop."""


async def _waits_for_a_slow_command(trial: Trial) -> None:
    """Hold the command, and refuse an answer that has ended before it goes on."""
    too_early = False
    with _held_command() as held, held_clock() as clock:
        call = asyncio.ensure_future(_reload(trial))
        try:
            if await clock.until(held.began.is_set):
                await clock.advance(SLOW)
                too_early = call.done() and not held.ended.is_set()
            held.goes_on.set()
            await _at_the_pace_of_the_machine(clock, lambda: call.done() and held.ended.is_set())
            outcome, *_ = await call
        finally:
            held.goes_on.set()
            call.cancel()
    outcome.sent += f"   while the command takes {SLOW:g} seconds"
    outcome.expect_that(
        not too_early,
        "the text, when the command is done",
        got=f"before the command was done: {outcome.got or 'an empty text'}",
    )


async def _at_the_pace_of_the_machine(clock: HeldClock, condition: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if condition():
            return
        await clock.pause(0.001)
        await clock.advance(0.001)


class _Held:
    """What a command waits for, and when it began and ended."""

    def __init__(self) -> None:
        self.began, self.goes_on, self.ended = threading.Event(), threading.Event(), threading.Event()


@contextlib.contextmanager
def _held_command() -> Iterator[_Held]:
    held, thread, one_turn = _Held(), threading.get_ident(), _turns_of_the_loop()

    def waiting(self: Command, *args: object, **options: object) -> None:
        held.began.set()
        if threading.get_ident() != thread:
            while not held.goes_on.wait(0.02) and one_turn():
                pass  # a loop that stands still cannot let it go on
        try:
            HANDLE(self, *args, **options)
        finally:
            held.ended.set()

    with _handled_by(waiting):
        yield held


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


def _turns_of_the_loop() -> Callable[[], bool]:
    """A function for other threads: whether this loop turns while they wait."""
    loop = asyncio.get_running_loop()

    def one_turn() -> bool:
        turn = threading.Event()
        loop.call_soon_threadsafe(turn.set)
        return turn.wait(PATIENCE)

    return one_turn


@dataclass
class _Run:
    on_the_loop: bool
    gave_way: bool


@contextlib.contextmanager
def _watched_command() -> Iterator[list[_Run]]:
    """Let the command wait, in its own thread, until the loop has done something else: before its work, and after."""
    thread, runs, one_turn = threading.get_ident(), list[_Run](), _turns_of_the_loop()

    def watched(self: Command, *args: object, **options: object) -> None:
        on_the_loop = threading.get_ident() == thread
        run = _Run(on_the_loop, not on_the_loop and all(one_turn() for _ in range(TURNS)))
        runs.append(run)
        HANDLE(self, *args, **options)
        run.gave_way = run.gave_way and all(one_turn() for _ in range(TURNS))

    with _handled_by(watched):
        yield runs
