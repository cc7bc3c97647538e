from collections.abc import Callable, Iterator

import httpx
import pytest

from tutorial_project.services import Services, start_services


@pytest.fixture(scope="session", autouse=True)
def stopped_at_the_end() -> Iterator[None]:
    yield
    start_services().stop()


@pytest.fixture
def services() -> Services:
    """The running services, nothing counted yet; a barrier that should be met has all the time it needs."""
    return start_services(barrier_timeout=5)


@pytest.fixture
def client(services: Services) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=services.url, verify=False, trust_env=False) as client:
        yield client


@pytest.fixture
def get(client: httpx.Client) -> Callable[[str], object]:
    """Ask with GET over one connection; returns status and JSON."""

    def get(path: str) -> tuple[int, object]:
        response = client.get(path)
        return response.status_code, response.json()

    return get
