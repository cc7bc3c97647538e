"""Every URL of the project."""

from django.contrib import admin
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

urlpatterns = [
    path("", include("tutorial_project.trips.urls")),
    path("admin/", admin.site.urls),
    # runserver serves the admin's style sheets by itself; uvicorn needs these (empty unless DEBUG).
    *staticfiles_urlpatterns(),
]
