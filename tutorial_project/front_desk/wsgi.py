"""The WSGI application of the front desk."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tutorial_project.front_desk.settings")

application = get_wsgi_application()
