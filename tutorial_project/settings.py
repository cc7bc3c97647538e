"""Settings of the tutorial's project: what `startproject` writes, plus the sample app.

Two environment variables change them: DJANGO_DEBUG=0 turns debug pages off, and
DJANGO_SQLITE_PATH names another database file.
"""

import os
from pathlib import Path

from tutorial_project.databases import sqlite_database

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = "django-insecure-for-this-tutorial-only-never-use-it-for-a-real-site"

DEBUG = os.environ.get("DJANGO_DEBUG", "1").lower() not in {"0", "false", "no", "off", ""}

ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]", "testserver"]
if "JUPYTERHUB_SERVICE_PREFIX" in os.environ:
    ALLOWED_HOSTS.append("*")  # a hub shows pages through its proxy, which keeps the hub's own host name

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "tutorial_project.trips",
    "tutorial_project.desk",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "tutorial_project.urls"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ASGI_APPLICATION = "tutorial_project.asgi.application"
WSGI_APPLICATION = "tutorial_project.wsgi.application"

DATABASES = {"default": sqlite_database(os.environ.get("DJANGO_SQLITE_PATH") or BASE_DIR / "db.sqlite3")}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# Trap: paths and not URL names, because a notebook's urlpatterns do not know this project's names.
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/bookings/"
LOGOUT_REDIRECT_URL = "/"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
