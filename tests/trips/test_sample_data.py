"""The sample agency is the same on every load, and makes sense."""

from datetime import date
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.models import F, Sum
from django.test.utils import CaptureQueriesContext

from tutorial_project.trips import sample_rows
from tutorial_project.trips.models import Account, Booking, Note, Review, Trip
from tutorial_project.trips.sample_data import OWN_MODELS, load_sample_data
from tutorial_project.trips.sample_rows import TRAVELLERS, USER_PKS


@pytest.fixture(autouse=True)
def loaded():
    """Give the test the sample rows, and the next test too."""
    yield load_sample_data()
    load_sample_data()


def everything() -> dict[str, list[tuple]]:
    """Return every row of the agency and of its users."""
    return {m._meta.label: list(m.objects.order_by("pk").values_list()) for m in [*OWN_MODELS, User]}


def test_two_loads_leave_the_same_rows():
    before = everything()
    load_sample_data()
    assert everything() == before


def test_a_load_repairs_what_a_learner_changed():
    before = everything()
    Trip.objects.get(pk=7).delete()
    User.objects.get(username="ada").delete()
    Trip.objects.filter(pk=8).update(title="Changed")
    load_sample_data()
    assert everything() == before


def test_the_next_row_has_the_same_key_after_every_load():
    keys = []
    for _ in range(2):
        keys.append(Booking.objects.create(trip_id=7, traveller_id=USER_PKS["frances"]).pk)
        load_sample_data()
    assert keys == [121, 121]


def test_a_load_says_how_many_rows_there_are(loaded):
    assert loaded == {
        "destinations": 12,
        "trips": 60,
        "themes": 8,
        "bookings": 120,
        "reviews": 210,
        "accounts": 6,
        "notes": 8,
    }


def test_a_load_keeps_accounts_that_learners_made():
    User.objects.create(username="me")
    load_sample_data()
    assert User.objects.filter(username="me").delete()[0] == 1


def test_a_load_that_fails_changes_nothing(monkeypatch):
    before = everything()
    monkeypatch.setattr(sample_rows, "notes", lambda trip_type: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        load_sample_data()
    assert everything() == before


def test_a_load_takes_few_queries():
    with CaptureQueriesContext(connection) as queries:
        load_sample_data()
    assert len(queries) < 90


def test_seats_left_and_bookings_add_up():
    trips = Trip.objects.annotate(sold=Sum("bookings__seats", default=0))
    assert not trips.exclude(seats=F("seats_left") + F("sold")).exists()


def test_some_trips_have_one_seat_left_some_none_and_some_are_off_sale():
    found = [
        set(Trip.objects.filter(**wanted).values_list("pk", flat=True))
        for wanted in ({"seats_left": 1}, {"seats_left": 0}, {"active": False})
    ]
    assert found == [{7, 14, 21, 36, 48}, {4, 18, 27, 44, 53}, {12, 30, 41, 57}]


def test_trip_7_is_always_the_tea_masters():
    trip = Trip.objects.select_related("destination").get(pk=7)
    assert (trip.title, trip.destination.name, trip.seats_left) == ("Tea masters of Uji", "Kyoto", 1)


def test_every_trip_departs_in_2027_after_every_booking():
    days = set(Trip.objects.values_list("departs", flat=True))
    assert date(2027, 1, 1) <= min(days)
    assert max(days) <= date(2027, 12, 31)
    assert not Booking.objects.filter(created_at__year__gte=2027).exists()


def test_every_trip_has_a_review_and_a_theme():
    assert not Trip.objects.filter(reviews=None).exists()
    assert not Trip.objects.filter(themes=None).exists()


def test_nobody_reviews_a_trip_twice():
    pairs = Review.objects.values_list("trip", "author")
    assert len(set(pairs)) == len(pairs)


def test_every_traveller_has_an_account_with_money():
    owners = Account.objects.filter(balance__gt=0).values_list("owner__username", flat=True)
    assert set(owners) == set(TRAVELLERS)


def test_users_cannot_log_in_with_a_password_until_they_get_one():
    users = User.objects.filter(username__in=USER_PKS)
    assert [user.has_usable_password() for user in users] == [False] * 7


def test_one_user_is_staff_and_may_change_trips():
    (staff,) = User.objects.filter(is_staff=True)
    assert staff.username == "frances"
    assert not staff.is_superuser
    assert staff.has_perm("trips.change_trip")
    assert not staff.has_perm("auth.change_user")


def test_notes_belong_to_trips():
    assert all(isinstance(note.subject, Trip) for note in Note.objects.prefetch_related("subject"))


def test_the_command_says_in_one_line_what_it_did_and_what_comes_next():
    said = StringIO()
    call_command("load_sample_data", stdout=said)
    (line,) = said.getvalue().splitlines()
    assert line.startswith("Loaded 12 destinations, 60 trips")
    assert line.endswith("python manage.py runserver")
