import asyncio
import subprocess
import sys
import textwrap
from contextlib import contextmanager

import httpx
import pytest

from tutorial_project.services import ServicesError, ask, ask_blocking, running_services, start_services
from tutorial_project.services.app import State
from tutorial_project.services.barrier import NamedBarriers
from tutorial_project.services.thread import ServerThread


def run_python(code: str) -> str:
    """Run code in a Python of its own, warnings as errors; returns what it printed on both streams."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    return done.stdout + done.stderr


@contextmanager
def services_of_another_process():
    """Start services in a Python of their own, and give their address."""
    code = "from tutorial_project.services import start_services; print(start_services().url, flush=True); input()"
    command = [sys.executable, "-W", "error", "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.communicate("\n")


def test_a_second_start_returns_the_same_services_with_nothing_counted(services):
    ask_blocking("echo")
    assert start_services() is services is running_services()
    assert (services.requests, services.barrier_timeout) == ([], 2.0)


def test_the_services_listen_on_loopback_only(services):
    assert services.url == f"http://127.0.0.1:{services.port}"


def test_stopped_services_can_be_started_again(services):
    with services:
        assert services.running
    services.stop()
    assert (services.running, repr(services)) == (False, "<Services stopped>")
    with pytest.raises(httpx.ConnectError):
        httpx.get(services.url, verify=False, trust_env=False)
    assert start_services().running


def test_stopping_does_not_wait_for_requests_that_hang(services):
    async def stop_meanwhile():
        asking = asyncio.create_task(ask("hangs"))
        await services.arrived()
        services.stop()
        return (await asyncio.gather(asking, return_exceptions=True))[0]

    assert str(asyncio.run(stop_meanwhile())).startswith("hangs broke off")
    assert (services.clients_left, services.requests[0].status) == (0, None)


def test_another_port_while_they_run_is_refused(services):
    with pytest.raises(ServicesError, match="already: stop"):
        start_services(port=services.port + 1)


def test_a_taken_port_is_named(services):
    with pytest.raises(ServicesError, match=f"cannot use port {services.port}: choose another"):
        ServerThread(State(NamedBarriers(1))).start(services.port)


def test_services_in_two_processes_do_not_clash(services):
    with services_of_another_process() as address:
        assert address != services.url
        assert httpx.get(f"{address}/echo", verify=False, trust_env=False).status_code == 200
    assert services.requests == []


@pytest.mark.parametrize("applied", ["before", "while"])
def test_nest_asyncio_does_not_disturb_them(applied):
    code = f"""
        import asyncio, nest_asyncio, warnings
        from tutorial_project.services import ask, start_services

        def apply():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # nest_asyncio asks for an event loop where there is none
                nest_asyncio.apply()

        if {applied!r} == "before":
            apply()
        services = start_services()
        if {applied!r} == "while":
            apply()

        async def three():
            answers = await asyncio.gather(*(ask("rates/EUR", together=3) for _ in range(3)))
            return len(answers), services.most_waiting

        async def leave():
            asking = asyncio.create_task(ask("hangs"))
            await services.arrived(4)
            asking.cancel()
            await services.left()
            return services.clients_left

        loop = asyncio.get_event_loop()
        print(loop.run_until_complete(three()), loop.run_until_complete(leave()))
        services.stop()
        print(services)
        loop.close()
    """
    assert run_python(code) == "(3, 3) 1\n<Services stopped>\n"


def test_a_process_that_debugs_asyncio_ends_quietly_with_the_services_running_and_without_django():
    code = """
        import logging, os, sys
        logging.basicConfig(level=logging.INFO)
        logging.getLogger("httpx").setLevel(logging.WARNING)
        os.environ["PYTHONASYNCIODEBUG"] = "1"
        from tutorial_project.services import ask_blocking, running_services
        ask_blocking("echo")
        print(running_services().running, "django" in sys.modules)
    """
    assert run_python(code) == "True False\n"


def test_importing_the_package_loads_neither_aiohttp_nor_httpx():
    code = """
        import sys, tutorial_project.services
        print({"aiohttp", "httpx", "django"} & set(sys.modules))
    """
    assert run_python(code) == "set()\n"
