"""Settings of the front desk: no database and no users, so that a server starts in a moment."""

from tutorial_project.settings import ALLOWED_HOSTS, SECRET_KEY

__all__ = ["ALLOWED_HOSTS", "ROOT_URLCONF", "SECRET_KEY", "WSGI_APPLICATION"]

ROOT_URLCONF = "tutorial_project.front_desk.urls"
WSGI_APPLICATION = "tutorial_project.front_desk.wsgi.application"
