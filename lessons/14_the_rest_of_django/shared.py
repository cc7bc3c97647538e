import re
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation

from tutorial_project.checks import Refusal, Reply, Trial

SYNC_ONLY = (
    # (file, functions, cause, next step); the first that is in the traceback is what the answer called
    (
        "forms/forms.py",
        "is_valid errors full_clean",
        "`is_valid` asks the database, in the event loop",
        "`await sync_to_async(form.is_valid)()`",
    ),
    (
        "forms/models.py",
        "save _save_m2m save_m2m",
        "`{}` of the form writes to the database, in the event loop",
        "`form.save(commit=False)` and `asave`; `await sync_to_async(form.save_m2m)()`",
    ),
    (
        "forms/utils.py",
        "render as_p as_div as_table as_ul __str__",
        "the form reads what its selects offer while it is drawn, in the event loop",
        "`await sync_to_async(form.as_p)()`",
    ),
    (
        "django/shortcuts.py",
        "render",
        "`render` fills the template in the event loop, and the template asks the database",
        "`return TemplateResponse(request, …)`: it is filled in a thread, after the view",
    ),
    (
        "template/loader.py",
        "render_to_string",
        "the template is filled in the event loop, and asks the database",
        "`return TemplateResponse(request, …)`: it is filled in a thread, after the view",
    ),
)


def sync_call(error: BaseException | None) -> dict[str, str]:
    """The cause and the next step, when the error came from a sync part of Django that was refused."""
    if not isinstance(error, SynchronousOnlyOperation):
        return {}
    for file, names, because, step in SYNC_ONLY:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename.replace("\\", "/").endswith(file) and frame.name in names.split():
                return {"because": because.format(frame.name.lstrip("_")), "next": step}
    return {}


@contextmanager
def told_by_name(reply: Reply) -> Iterator[None]:
    """Name the sync part of Django in a refusal within the `with` block."""
    try:
        yield
    except Refusal as refusal:
        if known := sync_call(reply.error):
            parts = {"sent": refusal.sent, "expected": refusal.expected, "got": refusal.got}
            raise Refusal(**parts, **known) from reply.error
        raise


def expect(reply: Reply, status: int = 200, **words: Any) -> None:
    """As `reply.expect`, and say which sync call was refused."""
    with told_by_name(reply):
        reply.expect(status, **words)


async def sent(trial: Trial, path: str) -> tuple[Reply, dict[str, str]]:
    """The reply to a request, with the words about a cache call that was not awaited."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", RuntimeWarning)
        reply = await trial.get(path)
    for warning in heard:
        if found := re.match(r"coroutine '\w+\.(a\w+)' was never awaited", str(warning.message)):
            because = f"`cache.{found[1]}` was called and not awaited: it never ran"
            return reply, {"because": because, "next": f"put `await` before `cache.{found[1]}(…)`"}
    return reply, {}
