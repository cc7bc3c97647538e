"""The ASGI application of the front desk: Django's own, behind a layer that keeps the logbook."""

import os

from django.core.asgi import get_asgi_application

from tutorial_project.front_desk.views import logbook

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tutorial_project.front_desk.settings")

django_application = get_asgi_application()


async def application(scope, receive, send):
    """Note every connection that is not HTTP, then let Django answer."""
    if scope["type"] != "http":
        logbook.append(f"{scope['type']} offered")
    await django_application(scope, receive, send)
