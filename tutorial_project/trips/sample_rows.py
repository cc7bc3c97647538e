"""The rows of the sample agency, not saved yet: every value is written here or counted, none is random."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count

from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.utils.text import slugify

from tutorial_project.trips.models import Account, Booking, Destination, Note, Review, Theme, Trip
from tutorial_project.trips.sample_catalogue import DESTINATIONS, THEMES, TRIPS
from tutorial_project.trips.sample_reviews import RATINGS, REMARKS, VERDICTS

BALANCES = {
    "ada": "5200.00",
    "grace": "3150.50",
    "linus": "940.00",
    "margaret": "12480.25",
    "dennis": "35.00",
    "barbara": "2000.00",
}
TRAVELLERS = list(BALANCES)
STAFF = "frances"
NEWCOMER = "zoë"
"""Travels, and has neither an account nor reviewed anything."""

# User keys start high so that they never meet an account somebody made with createsuperuser.
FIRST_USER_PK = 101
USER_PKS = {name: FIRST_USER_PK + number for number, name in enumerate([*TRAVELLERS, STAFF, NEWCOMER])}

SOLD_OUT = {4, 18, 27, 44, 53}
SOLD_TO_GROUPS = {23, 26, 28, 29}
"""Sold out, too, with as few bookings as trips that have seats left; with 27, all that Cartagena has on sale."""
ONE_SEAT_LEFT = {7, 14, 21, 36, 48}
INACTIVE = {12, 30, 41, 57}
NEWCOMERS_TRIPS = {33, 60}
REVIEWS_MORE = {24: -1, 28: 1, 36: -1, 40: 1, 48: -1, 52: 1}
"""How many reviews more than the count says: three trips have none."""

NOTES = {
    12: ["Off sale until the new glacier guide is licensed."],
    7: ["The tea house seats ten, no more.", "Ask guests about caffeine."],
    1: ["Meet at the foot of the Santa Justa lift."],
    41: ["Off sale: the price has lost a digit."],
    21: ["Huts are booked in the agency's name."],
    30: ["Off sale: the hotel is being rebuilt."],
    44: ["Sold out: keep a waiting list."],
}

FIRST_BOOKING = datetime(2026, 8, 3, 8, 30, tzinfo=UTC)


def users() -> list[User]:
    joined = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
    return [
        User(
            pk=pk,
            username=name,
            first_name=name.capitalize(),
            email=f"{slugify(name)}@example.com",
            # Django's mark of an unusable password; make_password(None) would be different on every load.
            password="!sample-users-have-no-password",
            is_staff=name == STAFF,
            date_joined=joined,
        )
        for name, pk in USER_PKS.items()
    ]


def destinations() -> list[Destination]:
    return [Destination(pk=pk, **row._asdict()) for pk, row in enumerate(DESTINATIONS, 1)]


def themes() -> list[Theme]:
    return [Theme(pk=pk, name=name) for pk, name in enumerate(THEMES, 1)]


def trips() -> list[Trip]:
    places = {row.slug: pk for pk, row in enumerate(DESTINATIONS, 1)}
    return [
        Trip(
            pk=pk,
            destination_id=places[row.to],
            title=row.title,
            departs=date.fromisoformat(row.departs),
            nights=row.nights,
            price=Decimal(row.price),
            seats=row.seats,
            seats_left=row.seats - sum(_seats_sold(pk, row.seats)),
            active=pk not in INACTIVE,
        )
        for pk, row in enumerate(TRIPS, 1)
    ]


def _seats_sold(trip: int, seats: int) -> list[int]:
    """Return the seats of each booking of trip number `trip`, which has `seats` seats."""
    if trip in INACTIVE:
        return []
    if trip in SOLD_OUT | ONE_SEAT_LEFT:
        each, rest = divmod(seats - (trip in ONE_SEAT_LEFT), 4)
        return [each + (position < rest) for position in range(4)]
    usual = [1 + (trip + position) % 3 % 2 for position in range(1 + (trip % 3 > 0))]
    if trip in SOLD_TO_GROUPS:
        return [seats - sum(usual[1:]), *usual[1:]]
    return usual


def trip_themes() -> list[Model]:
    through, keys = Trip.themes.through, count(1)
    return [
        through(pk=next(keys), trip_id=trip, theme_id=THEMES.index(theme) + 1)
        for trip, row in enumerate(TRIPS, 1)
        for theme in row.themes.split()
    ]


def _traveller(number: int) -> int:
    return USER_PKS[TRAVELLERS[number % len(TRAVELLERS)]]


def bookings() -> list[Booking]:
    """Return the bookings; the first ones of all trips have the lowest keys, then come the second ones."""
    sold = sorted(
        (n, trip, seats)
        for trip, row in enumerate(TRIPS, 1)
        for n, seats in enumerate(_seats_sold(trip, row.seats))
    )
    return [
        Booking(
            pk=pk,
            trip_id=trip,
            traveller_id=USER_PKS[NEWCOMER] if trip in NEWCOMERS_TRIPS else _traveller(trip * 5 + n),
            seats=seats,
            # 37 goes round all numbers below 121: the order of the times is not the order of the keys.
            created_at=FIRST_BOOKING + timedelta(hours=17 * (pk * 37 % 121), minutes=7 * trip),
        )
        for pk, (n, trip, seats) in enumerate(sold, 1)
    ]


def reviews() -> list[Review]:
    """Return the reviews; the first ones of all trips have the lowest keys, then come the second ones."""
    said = [
        (trip, n, row.themes.split()[0])
        for trip, row in enumerate(TRIPS, 1)
        for n in range(1 + trip * 7 % 6 + REVIEWS_MORE.get(trip, 0))
    ]
    written = [(n, trip, _review(number, trip, n, theme)) for number, (trip, n, theme) in enumerate(said, 1)]
    in_order = sorted(written, key=lambda row: row[:2])
    for pk, (_, _, review) in enumerate(in_order, 1):
        review.pk = pk
    return [review for _, _, review in in_order]


def _review(number: int, trip: int, position: int, theme: str) -> Review:
    rating = RATINGS[number * 5 % len(RATINGS)]
    verdict = VERDICTS[rating][(number + trip) % len(VERDICTS[rating])]
    remark = REMARKS[theme][position % len(REMARKS[theme])]
    author = _traveller(trip + position)
    return Review(trip_id=trip, author_id=author, rating=rating, text=f"{verdict} {remark}")


def accounts() -> list[Account]:
    return [
        Account(pk=pk, owner_id=USER_PKS[name], balance=Decimal(balance))
        for pk, (name, balance) in enumerate(BALANCES.items(), 1)
    ]


def notes(trip_type: ContentType) -> list[Note]:
    texts = [(trip, text) for trip, texts in NOTES.items() for text in texts]
    return [
        Note(pk=pk, content_type_id=trip_type.pk, object_id=trip, text=text)
        for pk, (trip, text) in enumerate(texts, 1)
    ]
