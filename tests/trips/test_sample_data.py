"""The sample agency is the same on every load, and makes sense."""

from collections import Counter
from datetime import date
from io import StringIO
from itertools import combinations

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.models import Count, F, Q, Sum
from django.test.utils import CaptureQueriesContext

from tutorial_project.trips import sample_rows
from tutorial_project.trips.models import Account, Booking, Destination, Note, Review, Theme, Trip
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


def orders(trips: list[Trip]) -> dict[str, tuple[int, ...]]:
    """Return the keys of these trips in every order that somebody might mistake for another one."""
    columns = {
        "key": lambda trip: trip.pk,
        "title": lambda trip: trip.title,
        "departure": lambda trip: trip.departs,
        "nights": lambda trip: trip.nights,
        "price": lambda trip: trip.price,
        "price as text": lambda trip: str(trip.price),
    }
    return {name: tuple(trip.pk for trip in sorted(trips, key=key)) for name, key in columns.items()}


@pytest.mark.parametrize("wanted", [{}, {"active": True}, {"active": True, "seats_left__gt": 0}])
def test_no_two_orders_of_trips_agree(wanted):
    for place in Destination.objects.annotate(number=Count("trips")).filter(number__gt=1):
        trips = list(place.trips.filter(**wanted))
        assert len(trips) > 2 or place.slug == "cartagena"
        if trips:
            pairs = combinations(orders(trips).items(), 2)
            assert not [(one, two) for (one, keys), (two, others) in pairs if keys == others], place


def test_no_two_orders_of_destinations_agree():
    columns = ["pk", "name", "slug", "country"]
    found = {
        tuple(Destination.objects.order_by(f"{sign}{c}").values_list("pk"))
        for c in columns
        for sign in ("", "-")
    }
    assert len(found) == 2 * len(columns)


@pytest.mark.parametrize(
    ("model", "columns"),
    [
        (Review, ["pk", "trip_id", "author_id", "rating"]),
        (Booking, ["pk", "trip_id", "traveller_id", "created_at"]),
        (Note, ["pk", "object_id"]),
        (Theme, ["pk", "name"]),
        (Account, ["pk", "balance", "owner__username"]),
    ],
)
def test_the_order_of_the_keys_is_no_other_order(model, columns):
    found = {tuple(model.objects.order_by(column, "pk").values_list("pk")) for column in columns}
    assert len(found) == len(columns)


def test_no_two_trips_cost_the_same_or_depart_on_one_day():
    for column in ("price", "departs", "title"):
        assert Trip.objects.values(column).distinct().count() == 60


def test_prices_have_two_to_four_digits():
    assert {len(str(int(trip.price))) for trip in Trip.objects.all()} == {2, 3, 4}


def test_the_first_trip_by_price_is_first_in_no_other_order():
    places = Destination.objects.filter(slug__in=["lisbon", "kyoto"])
    for trips in [Trip.objects.all(), *(place.trips for place in places)]:
        assert trips.earliest("price").pk not in {trips.earliest(c).pk for c in ("pk", "title", "departs")}


@pytest.mark.parametrize(("low", "high"), [(0, 500), (500, 1000), (1000, 2000), (2000, 4000)])
def test_some_trip_is_sold_out_in_each_price_range_and_some_is_not(low, high):
    on_sale = Trip.objects.filter(active=True, price__gte=low, price__lt=high)
    assert on_sale.filter(seats_left=0).exists()
    assert on_sale.filter(seats_left__gt=0).exists()


def test_destinations_have_nothing_to_sell_for_three_reasons():
    on_sale = Count("trips", filter=Q(trips__active=True))
    left = Sum("trips__seats_left", filter=Q(trips__active=True))
    places = Destination.objects.annotate(all_=Count("trips"), on_sale=on_sale, left=left)
    found = {p.slug: (p.all_, p.on_sale, p.left) for p in places if not p.left}
    assert found == {"quebec-city": (0, 0, None), "hanoi": (1, 0, None), "cartagena": (5, 4, 0)}


def test_a_sold_out_trip_goes_where_others_are_left():
    places = Destination.objects.filter(trips__in=Trip.objects.filter(active=True, seats_left=0))
    assert places.filter(trips__in=Trip.objects.filter(active=True, seats_left__gt=0)).exists()


def test_names_and_texts_have_characters_that_need_care():
    titles = "".join(Trip.objects.values_list("title", flat=True))
    texts = "".join(Review.objects.values_list("text", flat=True))
    assert set("',&%þō") <= set(titles.casefold())
    assert set(",%è") <= set(texts)
    # Not these: a requirement of its own asks for quotes and line breaks, and for no slash in an address.
    assert not set('"\n/') & set(titles + texts)


def test_some_trips_have_one_seat_left_some_none_and_some_are_off_sale():
    found = [
        set(Trip.objects.filter(**wanted).values_list("pk", flat=True))
        for wanted in ({"seats_left": 1}, {"seats_left": 0}, {"active": False})
    ]
    assert found == [{7, 14, 21, 36, 48}, {4, 18, 23, 26, 27, 28, 29, 44, 53}, {12, 30, 41, 57}]


def test_trip_7_is_always_the_tea_masters():
    trip = Trip.objects.select_related("destination").get(pk=7)
    assert (trip.title, trip.destination.name, trip.seats_left) == ("Tea masters of Uji", "Kyoto", 1)


def test_every_trip_departs_in_2027_after_every_booking():
    days = set(Trip.objects.values_list("departs", flat=True))
    assert date(2027, 1, 1) <= min(days)
    assert max(days) <= date(2027, 12, 31)
    assert not Booking.objects.filter(created_at__year__gte=2027).exists()


def test_trips_have_up_to_six_reviews_three_have_none_and_some_have_equal_ratings():
    numbers = Trip.objects.annotate(number=Count("reviews")).values_list("number", flat=True)
    assert Counter(numbers)[0] == 3
    assert max(numbers) == 6
    assert Review.objects.values("trip", "rating").annotate(number=Count("pk")).filter(number__gt=1).exists()


def test_every_trip_has_a_theme():
    assert not Trip.objects.filter(themes=None).exists()


def test_nobody_reviews_a_trip_twice():
    pairs = Review.objects.values_list("trip", "author")
    assert len(set(pairs)) == len(pairs)


def test_one_traveller_has_bookings_and_no_account():
    (traveller,) = User.objects.filter(bookings__gt=0, account=None).distinct()
    assert traveller.username == "zoë"


def test_every_other_traveller_has_an_account_with_money():
    owners = Account.objects.filter(balance__gt=0).values_list("owner__username", flat=True)
    assert set(owners) == set(TRAVELLERS)


def test_users_cannot_log_in_with_a_password_until_they_get_one():
    users = User.objects.filter(username__in=USER_PKS)
    assert [user.has_usable_password() for user in users] == [False] * 8


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
