"""The rows of the sample agency, not saved yet: every value is written here or counted, none is random."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count

from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from tutorial_project.trips.models import Account, Booking, Destination, Note, Review, Theme, Trip
from tutorial_project.trips.sample_catalogue import CATALOGUE, THEMES
from tutorial_project.trips.sample_reviews import RATINGS, REMARKS, VERDICTS

TRAVELLERS = ["ada", "grace", "linus", "margaret", "dennis", "barbara"]
STAFF = "frances"
BALANCES = ["5200.00", "3150.50", "940.00", "12480.25", "35.00", "2000.00"]

# User keys start high so that they never meet an account somebody made with createsuperuser.
FIRST_USER_PK = 101
USER_PKS = {name: FIRST_USER_PK + number for number, name in enumerate([*TRAVELLERS, STAFF])}

SOLD_OUT = {4, 18, 27, 44, 53}
ONE_SEAT_LEFT = {7, 14, 21, 36, 48}
INACTIVE = {12, 30, 41, 57}

NOTES = {
    1: ["Meet at the foot of the Santa Justa lift."],
    7: ["The tea house seats ten, no more.", "Ask guests about caffeine."],
    12: ["Off sale until the new glacier guide is licensed."],
    21: ["Huts are booked in the agency's name."],
    30: ["Off sale: the hotel is being rebuilt."],
    44: ["Sold out: keep a waiting list."],
    60: ["Harbour cruise included from this year."],
}

FIRST_BOOKING = datetime(2026, 8, 3, 8, 30, tzinfo=UTC)


def users() -> list[User]:
    joined = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
    return [
        User(
            pk=pk,
            username=name,
            first_name=name.capitalize(),
            email=f"{name}@example.com",
            # Django's mark of an unusable password; make_password(None) would be different on every load.
            password="!sample-users-have-no-password",
            is_staff=name == STAFF,
            date_joined=joined,
        )
        for name, pk in USER_PKS.items()
    ]


def destinations() -> list[Destination]:
    return [
        Destination(pk=pk, name=row.name, slug=row.slug, country=row.country, description=row.description)
        for pk, row in enumerate(CATALOGUE, 1)
    ]


def themes() -> list[Theme]:
    return [Theme(pk=pk, name=name) for pk, name in enumerate(THEMES, 1)]


def trips() -> list[Trip]:
    places = [(place_pk, row) for place_pk, place in enumerate(CATALOGUE, 1) for row in place.trips]
    return [
        Trip(
            pk=pk,
            destination_id=place_pk,
            title=row.title,
            departs=date.fromisoformat(row.departs),
            nights=row.nights,
            price=Decimal(row.price),
            seats=row.seats,
            seats_left=row.seats - sum(_seats_sold(pk, row.seats)),
            active=pk not in INACTIVE,
        )
        for pk, (place_pk, row) in enumerate(places, 1)
    ]


def _seats_sold(trip: int, seats: int) -> list[int]:
    """Return the seats of each booking of trip number `trip`, which has `seats` seats."""
    if trip in INACTIVE:
        return []
    if trip in SOLD_OUT | ONE_SEAT_LEFT:
        each, rest = divmod(seats - (trip in ONE_SEAT_LEFT), 4)
        return [each + (position < rest) for position in range(4)]
    return [1 + (trip + position) % 3 % 2 for position in range(1 + (trip % 3 > 0))]


def _trip_rows() -> Iterator[tuple[int, int, list[str]]]:
    """Yield every trip's number, its seats and its themes."""
    rows = (row for place in CATALOGUE for row in place.trips)
    return ((pk, row.seats, row.themes.split()) for pk, row in enumerate(rows, 1))


def trip_themes() -> list[Model]:
    through, keys = Trip.themes.through, count(1)
    return [
        through(pk=next(keys), trip_id=trip, theme_id=THEMES.index(theme) + 1)
        for trip, _, themes in _trip_rows()
        for theme in themes
    ]


def _traveller(number: int) -> int:
    return USER_PKS[TRAVELLERS[number % len(TRAVELLERS)]]


def bookings() -> list[Booking]:
    sold = [
        (trip, n, seats) for trip, all_, _ in _trip_rows() for n, seats in enumerate(_seats_sold(trip, all_))
    ]
    return [
        Booking(
            pk=pk,
            trip_id=trip,
            traveller_id=_traveller(trip * 5 + n),
            seats=seats,
            created_at=FIRST_BOOKING + timedelta(hours=17 * pk, minutes=7 * trip),
        )
        for pk, (trip, n, seats) in enumerate(sold, 1)
    ]


def reviews() -> list[Review]:
    said = [(trip, n, themes[0]) for trip, _, themes in _trip_rows() for n in range(1 + trip * 7 % 6)]
    return [_review(pk, trip, n, theme) for pk, (trip, n, theme) in enumerate(said, 1)]


def _review(pk: int, trip: int, position: int, theme: str) -> Review:
    rating = RATINGS[pk * 5 % len(RATINGS)]
    verdict = VERDICTS[rating][(pk + trip) % len(VERDICTS[rating])]
    remark = REMARKS[theme][position % len(REMARKS[theme])]
    author = _traveller(trip + position)
    return Review(pk=pk, trip_id=trip, author_id=author, rating=rating, text=f"{verdict} {remark}")


def accounts() -> list[Account]:
    owners = zip(TRAVELLERS, BALANCES, strict=True)
    return [
        Account(pk=pk, owner_id=USER_PKS[name], balance=Decimal(balance))
        for pk, (name, balance) in enumerate(owners, 1)
    ]


def notes(trip_type: ContentType) -> list[Note]:
    texts = [(trip, text) for trip, texts in NOTES.items() for text in texts]
    return [
        Note(pk=pk, content_type_id=trip_type.pk, object_id=trip, text=text)
        for pk, (trip, text) in enumerate(texts, 1)
    ]
