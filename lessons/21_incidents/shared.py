from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from tutorial_project.checks import Refusal, Task, Trial
from tutorial_project.classroom import most_at_once  # noqa: F401 - one way to the classroom for all incidents


async def opening_hours(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Monday to Friday, 9 to 18")


def site_of(task: Task, answer: Any) -> list[URLPattern]:
    """The page of an incident, and one beside it that waits for nothing."""
    view = answer.as_view() if hasattr(answer, "as_view") else answer
    return [*(path(route, view) for route in task.routes), path("opening-hours/", opening_hours)]


async def expect_on_the_loop(trial: Trial, address: str, **request: Any) -> None:
    """Refuse a page that was made sync: it answers, and costs a thread for each visitor who waits."""
    try:
        await trial.runs_on_the_loop(address, **request)
    except Refusal as refusal:
        raise Refusal(
            sent=refusal.sent,
            expected=refusal.expected,
            got=refusal.got,
            because="a plain `def` hides the fault, and costs one thread for each visitor as long as they wait",
            next="let the view stay `async def`, and mend the line that is at fault",
        ) from None
