"""The sample agency in the database: the same rows with the same primary keys on every load."""

from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connections, transaction
from django.db.models import Model, Q

from tutorial_project.trips import sample_rows
from tutorial_project.trips.models import Account, Booking, Destination, Note, Review, Theme, Trip
from tutorial_project.trips.sample_rows import STAFF, USER_PKS

OWN_MODELS = [Note, Account, Review, Booking, Trip.themes.through, Trip, Theme, Destination]


def load_sample_data(using: str = "default") -> dict[str, int]:
    """Fill the tables of the database alias `using`, replacing what the app's tables held.

    Returns the number of rows by plural name ("trips": 60). Needs migrated tables, raises
    django.db.OperationalError (PostgreSQL: ProgrammingError) without them, and changes all or nothing.
    """
    with transaction.atomic(using=using):
        _empty(using)
        _restart_keys(using)
        for rows in _all_rows(using):
            _insert(rows, using)
        _permit_staff(using)
        _continue_keys(using)
    models: list[type[Model]] = [Destination, Trip, Theme, Booking, Review, Account, Note]
    return {str(m._meta.verbose_name_plural): m._default_manager.using(using).count() for m in models}


def _empty(using: str) -> None:
    for model in OWN_MODELS:
        model._default_manager.using(using).all().delete()
    sample_users = Q(pk__in=USER_PKS.values()) | Q(username__in=USER_PKS)
    User.objects.using(using).filter(sample_users).delete()


def _all_rows(using: str) -> list[list[Model]]:
    """Return the rows of each table, in an order in which every row finds the rows it refers to."""
    makers = [
        sample_rows.users,
        sample_rows.destinations,
        sample_rows.themes,
        sample_rows.trips,
        sample_rows.trip_themes,
        sample_rows.bookings,
        sample_rows.reviews,
        sample_rows.accounts,
    ]
    trip_type = ContentType.objects.db_manager(using).get_for_model(Trip)
    return [*(make() for make in makers), sample_rows.notes(trip_type)]


def _insert(rows: list[Model], using: str) -> None:
    type(rows[0])._default_manager.using(using).bulk_create(rows)


def _permit_staff(using: str) -> None:
    staff = User.objects.using(using).get(username=STAFF)
    staff.user_permissions.set(Permission.objects.using(using).filter(content_type__app_label="trips"))


def _restart_keys(using: str) -> None:
    """Let SQLite forget the highest key it ever gave, so that the next row's key is the same after any load."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        tables = [{"table": model._meta.db_table, "column": "id"} for model in [*OWN_MODELS, User]]
        _execute(connection.ops.sequence_reset_by_name_sql(no_style(), tables), using)


def _continue_keys(using: str) -> None:
    """Let PostgreSQL count on from the keys inserted by hand."""
    _execute(connections[using].ops.sequence_reset_sql(no_style(), [*OWN_MODELS, User]), using)


def _execute(statements: list[str], using: str) -> None:
    with connections[using].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
