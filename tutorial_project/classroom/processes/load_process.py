"""Locust in a process of its own: one order a line on standard input, one result a line on standard output.

An order and a result are JSON; `load_generator.py` writes the one and reads the other. The process ends when its
standard input closes, or when the kernel that started it is gone.
"""

# Trap: Locust replaces the standard library's sockets and locks when it is imported: never import it in a kernel.
# Trap: this file runs by its path, without the package around it: importing that would take a second.
from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Any

import gevent
from gevent.monkey import get_original
from gevent.pool import Group
from locust import FastHttpUser, constant, task
from locust.env import Environment

PATIENCE = 20.0
"""Seconds that a visitor waits for one answer."""


class Visitor(FastHttpUser):
    """Asks for one page, waits for the answer, and asks again at once."""

    wait_time = constant(0)
    network_timeout = connection_timeout = PATIENCE
    concurrency = 10_000
    pages: list[str] = []

    def on_start(self) -> None:
        self.page = self.pages.pop()

    @task
    def ask(self) -> None:
        self.client.get(self.page)


class Measurement:
    """What visitors find inside of a `with` block: the seconds of each answer to the page that counts.

    Attributes:
        times: seconds of each good answer.
        failed: how many were none, by what went wrong.
        answers: how many of both have come, whenever their requests began.
        spent: seconds that visitors have waited in all, for good answers and for others.
    """

    def __init__(self, environment: Environment, page: str) -> None:
        self.page, self.told = page, environment.events.request
        self.begin()

    def begin(self) -> None:
        """Forget what was found; a request that is under way does not count any more."""
        self.times: list[float] = []
        self.failed: dict[str, int] = {}
        self.answers, self.spent = 0, 0.0
        self.began, self.ended = time.perf_counter(), float("inf")

    def end(self) -> None:
        """Count no request that begins from now on; those that are under way count when they have ended."""
        self.ended = time.perf_counter()

    def __enter__(self) -> Measurement:
        self.told.add_listener(self.note)
        return self

    def __exit__(self, *_: object) -> None:
        self.told.remove_listener(self.note)

    def note(
        self, name: str, response_time: float, exception: Any = None, context: Any = None, **_: Any
    ) -> None:
        """Take one answer down; Locust calls this for each."""
        now = time.perf_counter()
        sent = (context or {}).get("due", now - response_time / 1000)
        self.answers += name == self.page
        if name != self.page or not self.began <= sent < self.ended:
            return
        self.spent += now - sent
        if exception is None:
            self.times.append(now - sent)
        else:
            kind = f"{type(exception).__name__}: {exception}"
            self.failed[kind] = self.failed.get(kind, 0) + 1


def closed(environment: Environment, order: dict[str, Any]) -> dict[str, Any]:
    """A fixed number of visitors; each asks again when it has its answer."""
    visitors = order["visitors"]
    Visitor.pages = [order["url"]] * visitors
    Visitor.pages += [url for url, others in order["beside"].items() for _ in range(others)]
    runner = environment.runner or environment.create_local_runner()
    with Measurement(environment, order["url"]) as measurement:
        runner.start(len(Visitor.pages), spawn_rate=len(Visitor.pages))
        for seconds in (order["warm_up"], order["seconds"]):
            measurement.begin()
            gevent.sleep(seconds)
            while measurement.answers < visitors and time.perf_counter() < measurement.began + PATIENCE:
                gevent.sleep(0.01)
        measurement.end()
        runner.stop()  # lets everybody have the answer that is under way
    # Each visitor waited all the time, so that their seconds together tell how long was measured.
    return found(measurement, measurement.spent / visitors or order["seconds"])


def opened(environment: Environment, order: dict[str, Any]) -> dict[str, Any]:
    """Arrivals on schedule, whether the ones before have their answer or not."""
    visitor, arrivals = Visitor(environment), Group()
    with Measurement(environment, order["url"]) as measurement:
        began = measurement.began
        for number in range(round(order["rate"] * order["seconds"])):
            due = began + number / order["rate"]
            gevent.sleep(max(0.0, due - time.perf_counter()))
            arrivals.spawn(visitor.client.get, order["url"], context={"due": due})
        arrivals.join()
    return found(measurement, time.perf_counter() - began)


def found(measurement: Measurement, seconds: float) -> dict[str, Any]:
    """What a measurement found, as JSON can hold it."""
    return {"times": measurement.times, "failed": measurement.failed, "seconds": seconds}


def result(environment: Environment, order: dict[str, Any]) -> dict[str, Any]:
    """Carry out one order."""
    began, spent = time.perf_counter(), time.process_time()
    measured = (opened if "rate" in order else closed)(environment, order)
    return measured | {"busy": (time.process_time() - spent) / (time.perf_counter() - began)}


def end_with_the_kernel(kernel: int) -> None:
    """End this process at once when the kernel is gone: what that one forked may hold the pipe open."""
    while os.getppid() == kernel:
        get_original("time", "sleep")(0.2)
    os._exit(0)


def main() -> None:
    """Answer orders until standard input closes."""
    logging.disable()
    # A thread of the system: greenlets stand still while this process waits for an order.
    get_original("_thread", "start_new_thread")(end_with_the_kernel, (os.getppid(),))
    environment = Environment(user_classes=[Visitor], host="http://127.0.0.1", stop_timeout=PATIENCE)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(result(environment, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
