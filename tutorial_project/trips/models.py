"""A small travel agency: destinations, trips with a few seats, bookings, reviews.

No `__str__` here reads a relation: printing a row inside an async view or a notebook cell never runs a query.
"""

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint
from django.utils import timezone


class Destination(models.Model):
    name = models.CharField(max_length=80, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    country = models.CharField(max_length=80)
    description = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Theme(models.Model):
    name = models.CharField(max_length=40, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Trip(models.Model):
    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="trips")
    title = models.CharField(max_length=120)
    departs = models.DateField()
    nights = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)])
    price = models.DecimalField(max_digits=8, decimal_places=2, help_text="For one seat, in euros.")
    seats = models.PositiveSmallIntegerField()
    # Not a PositiveIntegerField: that would add a second, unnamed constraint, which would speak first.
    seats_left = models.IntegerField()
    active = models.BooleanField(default=True, help_text="On sale.")
    guide = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        related_name="guided_trips",
        null=True,
        blank=True,
        help_text="Empty until the agency finds one.",
    )
    themes = models.ManyToManyField(Theme, related_name="trips", blank=True)
    notes = GenericRelation("trips.Note")

    class Meta:
        ordering = ["departs", "pk"]
        constraints = [
            CheckConstraint(
                condition=Q(seats_left__gte=0) & Q(seats_left__lte=F("seats")),
                name="trip_seats_left_between_0_and_seats",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Booking(models.Model):
    trip = models.ForeignKey(Trip, on_delete=models.CASCADE, related_name="bookings")
    traveller = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="bookings")
    seats = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            UniqueConstraint(fields=["trip", "traveller"], name="booking_once_per_trip_and_traveller")
        ]

    def __str__(self) -> str:
        return f"Booking {self.pk}: trip {self.trip_id}, seats {self.seats}"


class Review(models.Model):
    trip = models.ForeignKey(Trip, on_delete=models.CASCADE, related_name="reviews")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reviews")
    rating = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    text = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            CheckConstraint(
                condition=Q(rating__gte=1) & Q(rating__lte=5), name="review_rating_between_1_and_5"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rating} of 5 for trip {self.trip_id}"


class Account(models.Model):
    owner = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="account")
    balance = models.DecimalField(max_digits=10, decimal_places=2, default=0, help_text="In euros.")

    class Meta:
        ordering = ["pk"]
        constraints = [CheckConstraint(condition=Q(balance__gte=0), name="account_balance_not_negative")]

    def __str__(self) -> str:
        return f"Account {self.pk}: {self.balance}"


class Note(models.Model):
    """A remark of the staff on any row: notes of a trip are `trip.notes`."""

    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.PositiveBigIntegerField()
    subject = GenericForeignKey("content_type", "object_id")
    text = models.TextField()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["content_type", "object_id"], name="note_subject")]

    def __str__(self) -> str:
        return self.text
