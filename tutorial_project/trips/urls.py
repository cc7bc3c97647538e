"""The URLs of the travel agency."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from tutorial_project.trips import views
from tutorial_project.trips.missing_tables import needs_tables

urlpatterns = [
    path("", needs_tables(views.destination_list), name="destinations"),
    path("destinations/<slug:slug>/", needs_tables(views.destination_detail), name="destination"),
    path("trips/<int:pk>/", needs_tables(views.trip_detail), name="trip"),
    path("bookings/", needs_tables(views.booking_list), name="bookings"),
    path("api/trips/", needs_tables(views.trip_api), name="trip-api"),
    path("accounts/login/", needs_tables(LoginView.as_view()), name="login"),
    path("accounts/logout/", needs_tables(LogoutView.as_view()), name="logout"),
]
