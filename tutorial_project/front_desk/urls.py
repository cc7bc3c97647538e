"""The URLs of the front desk."""

from django.urls import path

from tutorial_project.front_desk import views

urlpatterns = [
    path("", views.welcome),
    path("queue/", views.queue),
    path("departures/", views.departures),
    path("hotline/", views.hotline),
    path("confirm/", views.confirm),
    path("logbook/", views.read_logbook),
]
