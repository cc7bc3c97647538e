"""The questions of an answer to the services: held until all of them wait, however long that takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from tutorial_project.checks.kinds.visits import Visits, visits
from tutorial_project.checks.outcome import Reply, heard
from tutorial_project.services import ask, running_services

if TYPE_CHECKING:
    from tutorial_project.checks.trial import Trial
    from tutorial_project.services.barrier import Hold
    from tutorial_project.services.server import Services
    from tutorial_project.services.statistics import Request

ROUNDS = 60
"""Questions of our own that are asked and answered, one after another, before a missing one counts as held back.

They take the time of the machine that the missing one needs as well, so that a busy machine makes both late.
"""

QUIET_ROUNDS = 4
"""Questions of our own in which the answer asked nothing more."""


@contextmanager
def all_saying(said: Mapping[str, Any]) -> Iterator[Services]:
    """Let the services say this, by the path of the question, such as "weather/Lisbon"; counted anew."""
    services = running_services()
    services.forget()
    with ExitStack() as sayings:
        for path, content in said.items():
            sayings.enter_context(services.saying(f"/{path}", content))
        yield services


def questions() -> list[Request]:
    """The questions that the answer has asked; those of the proof itself do not count."""
    return [request for request in running_services().requests if request.path != "/echo"]


class Held:
    """Requests under way whose questions are held at the services.

    Attributes:
        visit: the requests.
        holds: by how the paths of the questions begin.
        waited: the questions that waited at the same moment, once `until_waiting` is over.
    """

    def __init__(self, visit: Visits, holds: Mapping[str, Hold]) -> None:
        self.visit, self.holds = visit, holds
        self.waited: list[Request] = []

    @property
    def waiting(self) -> int:
        """How many questions are held now."""
        return sum(hold.waiting for hold in self.holds.values())

    async def until_waiting(self, number: int) -> int:
        """Wait until so many questions are held, or one that is not here is not to come any more.

        Returns:
            how often the event loop turned while a question was held: 0 where the answer holds the loop as well.
        """
        turned = 0

        def enough() -> bool:
            nonlocal turned
            turned += self.waiting > 0
            return self.waiting >= number

        await self._rounds(ROUNDS, enough)
        self.waited = [question for question in questions() if question.status is None]
        return turned

    async def until_quiet(self) -> None:
        """Wait until the answer asks nothing more while these questions are held."""
        asked = -1
        while asked != (asked := len(questions())):
            await self._rounds(QUIET_ROUNDS, lambda: False)

    async def until_over(self) -> bool:
        """Wait until the requests are answered, although these questions are held; False when they are not to be."""
        await self._rounds(ROUNDS, lambda: False)
        return self.visit.over

    def release(self) -> None:
        """Let all questions be answered."""
        for hold in self.holds.values():
            hold.release()

    async def replies(self, meanwhile: str = "") -> list[Reply]:
        """The replies of the answer; refuses one that still waits."""
        self.release()
        if found := await self.visit.replies():
            for reply in found:
                reply.sent += f"  {meanwhile}" * bool(meanwhile)
            return found
        waiting = "no answer: the view was still waiting, and had to be stopped"
        Reply(f"the request  {meanwhile}".rstrip()).refuse(expected="an answer", got=waiting)

    async def _rounds(self, number: int, enough: Callable[[], bool]) -> None:
        for _ in range(number):
            if enough() or self.visit.over:
                return
            for hold in self.holds.values():
                hold.renew()
            heard.get()()
            await ask("echo")


@asynccontextmanager
async def held_questions(
    trial: Trial, *paths: str, at: Sequence[str], may_block: bool = True
) -> AsyncIterator[Held]:
    """Send requests together, and hold their questions to the services.

    Args:
        trial: the answer.
        paths: the requests.
        at: how the paths of the questions begin that are held, such as "/weather/".
        may_block: let the answer block the event loop; else its blocking calls raise.
    """
    services = running_services()
    services.forget()
    with ExitStack() as held:
        # Trap: while the loop is blocked, nothing renews this limit, and only it lets the questions go.
        holds = {prefix: held.enter_context(services.held(prefix, timeout=2.0)) for prefix in at}
        async with visits(trial, *paths, may_block=may_block) as visit:
            yield Held(visit, holds)


async def expect_free_while_waiting(trial: Trial, path: str, said: Mapping[str, Any]) -> None:
    """Refuse an answer that holds the event loop while it waits for one of these services, whichever that is.

    Args:
        trial: the answer.
        path: the request.
        said: what the services say; each of them is the last to be answered once.
    """
    with all_saying(said):
        (await trial.never_holds_the_loop(path)).expect(200)
        for service in said:
            async with held_questions(trial, path, at=[f"/{service}"], may_block=False) as held:
                await held.until_waiting(1)
                await held.until_quiet()
                for reply in await held.replies(f"while {service} is the last to answer"):
                    reply.expect(200)


def words_about_memory(reply: Reply, earlier: Any) -> dict[str, str]:
    """Words for an answer that holds what the services said before, and not what they say now."""
    if reply.status == 200 and reply.value is not None and reply._body_as_json() == earlier:
        return {"because": "that is what the services said when they were asked before"}
    return {}
