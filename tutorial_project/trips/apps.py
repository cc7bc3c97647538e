from django.apps import AppConfig


class TripsConfig(AppConfig):
    """The sample app: a small travel agency."""

    name = "tutorial_project.trips"
