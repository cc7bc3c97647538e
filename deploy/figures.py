"""What one learner takes, as it was measured, and the limits that follow from it.

Every hub in this folder takes its limits from here. `make bench` measures again, by tests/bench/learner.py:
a real hub, one learner, the proportional set size of all their processes.
"""

from __future__ import annotations

import sys

MEASURED_ON = "2026-11-23"
MEASURED_WITH = "Python 3.13 and 3.11, Linux, 2 processors, JupyterHub 5.5, nobody else on the hub"
SERVER = 130
"""MiB that a learner's server takes without a kernel."""
EXERCISE = 225
"""MiB that the server and one kernel take after the checks of exercise 01."""
HEAVIEST, HEAVIEST_LESSON = "05_servers", 650
"""The lesson that takes most, and the MiB, server included, that it takes at its peak."""
SECONDS = 8
"""Processor seconds of a learner from the login to the last check of exercise 01."""

OPEN_NOTEBOOKS = 3
"""Kernels that a learner leaves running besides the one at work."""
STEP = 128
"""Limits are multiples of this many MiB."""
MIB = 2**20


def rounded_up(mebibytes: int) -> int:
    return -(-mebibytes // STEP) * STEP


GUARANTEE = rounded_up(EXERCISE)
"""MiB kept for each learner who is at work."""
LIMIT = rounded_up(HEAVIEST_LESSON + OPEN_NOTEBOOKS * (EXERCISE - SERVER))
"""MiB that a learner cannot go beyond."""
PROCESSORS = 2
"""Processors that a learner may use at once; two, so that servers with several processes show what they can."""
SHARE = 0.1
"""The part of a processor kept for each learner: reading takes longer than running."""


def main() -> None:
    """Say what a class needs: `python -m deploy.figures 30`."""
    learners = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    least, most = (figure * learners / 1024 for figure in (GUARANTEE, LIMIT))
    print(
        f"{learners} learners at work: {least:.0f} GiB of memory at least, and never more than {most:.0f} GiB."
    )


if __name__ == "__main__":
    main()
