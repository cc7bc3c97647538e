"""What the classroom does for the notebook it is imported in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jupyter_client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from project import ROOT

HANGS = "import asyncio; print('waiting'); await asyncio.Event().wait()"


@pytest.fixture
def kernel() -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(ROOT / "notebooks"), extra_arguments=["--log-level=ERROR"])
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=30)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


def test_a_cell_that_awaits_for_ever_can_be_interrupted_and_the_next_one_runs(
    kernel: tuple[KernelManager, BlockingKernelClient],
) -> None:
    manager, client = kernel
    client.execute_interactive(
        "from tutorial_project.classroom import open_lesson; open_lesson()", timeout=30
    )
    client.execute(HANGS, stop_on_error=False)
    while client.get_iopub_msg(timeout=30)["content"].get("text") != "waiting\n":
        pass
    manager.interrupt_kernel()
    while (reply := client.get_shell_msg(timeout=10))["content"]["status"] == "ok":
        pass
    assert reply["content"]["ename"] == "CancelledError"
    assert client.execute_interactive("1 + 1", timeout=10)["content"]["status"] == "ok"


OPEN = "from tutorial_project.classroom import open_exercise; exercise = open_exercise('00_start_here')"
ANSWER = """
import asyncio, threading
from django.http import JsonResponse
async def opening_hours(request):
    print("waiting")
    {}
    return JsonResponse({{"opens": 9, "closes": 18}})
await exercise.check(opening_hours)
"""


@pytest.mark.parametrize("line", ["await asyncio.Event().wait()", "threading.Semaphore(0).acquire()"])
def test_a_check_can_be_interrupted_even_when_the_answer_blocks_and_the_next_one_works(
    kernel: tuple[KernelManager, BlockingKernelClient], line: str
) -> None:
    manager, client = kernel
    client.execute_interactive(OPEN, timeout=30, output_hook=lambda message: None)
    client.execute(ANSWER.format(line), stop_on_error=False)
    while client.get_iopub_msg(timeout=30)["content"].get("text") != "waiting\n":
        pass
    manager.interrupt_kernel()
    while (reply := client.get_shell_msg(timeout=10))["content"]["status"] == "ok":
        pass
    assert reply["content"]["ename"] == "CancelledError"
    assert client.execute_interactive(ANSWER.format(""), timeout=30)["content"]["status"] == "ok"
