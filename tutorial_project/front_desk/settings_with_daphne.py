"""Settings of the front desk under a `runserver` that speaks ASGI: daphne brings its own."""

from tutorial_project.front_desk.settings import *  # noqa: F403

INSTALLED_APPS = ["daphne"]
ASGI_APPLICATION = "tutorial_project.front_desk.asgi.application"
