from typing import Any

from tutorial_project.checks import Reply

WRAPPERS_TOO = "declare the view with `async def`, and every wrapper around it"


def about(reply: Reply, kind: Any, why: str, step: str) -> dict[str, str]:
    """The words about an error of this kind, or none."""
    return {"because": why, "next": step} if isinstance(reply.error, kind) else {}
