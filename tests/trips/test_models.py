"""The models keep their promises in the database, and print without touching it."""

import asyncio
from datetime import date

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.db.models import F
from django.test import Client

from tutorial_project.trips.models import Account, Booking, Destination, Note, Review, Theme, Trip

MODELS = [Account, Booking, Destination, Note, Review, Theme, Trip]


def refused(constraint: str):
    """Expect the database to refuse with this constraint's name, and leave it as it was."""
    return pytest.raises(IntegrityError, match=constraint)


@pytest.mark.parametrize("model", MODELS)
def test_a_row_prints_inside_the_event_loop(model):
    async def printed() -> str:
        return str(await model.objects.afirst())

    assert asyncio.run(printed())


@pytest.mark.parametrize("model", MODELS)
def test_rows_have_a_stable_order(model):
    assert model.objects.all().ordered


def test_a_trip_never_sells_more_seats_than_it_has():
    with refused("trip_seats_left_between_0_and_seats"), transaction.atomic():
        Trip.objects.filter(pk=7).update(seats_left=F("seats_left") - 2)


def test_a_trip_never_has_more_seats_left_than_seats():
    with refused("trip_seats_left_between_0_and_seats"), transaction.atomic():
        Trip.objects.filter(pk=7).update(seats_left=F("seats") + 1)


def test_a_traveller_books_a_trip_once():
    booking = Booking.objects.first()
    with refused("trip_id.*traveller_id"), transaction.atomic():
        Booking.objects.create(trip_id=booking.trip_id, traveller_id=booking.traveller_id)


@pytest.mark.parametrize("rating", [0, 6])
def test_a_rating_is_between_one_and_five(rating):
    with refused("review_rating_between_1_and_5"), transaction.atomic():
        Review.objects.filter(pk=1).update(rating=rating)


def test_an_account_never_goes_below_zero():
    with refused("account_balance_not_negative"), transaction.atomic():
        Account.objects.filter(pk=1).update(balance=-1)


def test_a_new_booking_knows_when_it_was_made():
    assert Booking(trip_id=1, traveller_id=1).created_at.tzinfo is not None


def test_notes_hang_on_a_trip():
    assert [str(note) for note in Trip.objects.get(pk=7).notes.all()] == [
        "The tea house seats ten, no more.",
        "Ask guests about caffeine.",
    ]


def test_models_and_migrations_agree():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("model", MODELS)
def test_staff_see_every_model_in_the_admin(model):
    staff = Client()
    staff.force_login(User.objects.get(username="frances"))
    first = model.objects.first()
    for page in ["", "add/", f"{first.pk}/change/"]:
        assert staff.get(f"/admin/trips/{model._meta.model_name}/{page}").status_code == 200


def test_a_trip_departs_on_a_date():
    assert isinstance(Trip.objects.get(pk=7).departs, date)
