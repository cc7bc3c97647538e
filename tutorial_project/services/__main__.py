"""The services as a process of their own: `python -m tutorial_project.services --port 8900`."""

import argparse
import time
from contextlib import suppress

from .start import start_services
from .thread import ServicesError


def main() -> None:
    """Serve until Ctrl+C."""
    parser = argparse.ArgumentParser(prog="python -m tutorial_project.services", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=8900, help="port on 127.0.0.1; 0 for any free one (%(default)s)"
    )
    parser.add_argument(
        "--barrier-timeout",
        type=float,
        default=2.0,
        help="seconds that requests wait at a barrier (%(default)s)",
    )
    options = parser.parse_args()
    try:
        services = start_services(port=options.port, barrier_timeout=options.barrier_timeout)
    except ServicesError as error:
        parser.exit(1, f"{error}\n")
    with services, suppress(KeyboardInterrupt):
        print(f"The services are at {services.url} (stop them with Ctrl+C)", flush=True)
        while services.running:
            time.sleep(1)  # a join could not be interrupted on Windows


if __name__ == "__main__":
    main()
