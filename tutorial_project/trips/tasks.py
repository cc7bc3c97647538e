"""What the agency does after the answer: tasks that a worker process runs, `manage.py db_worker`."""

import httpx
from django.conf import settings

from tutorial_project.trips.models import Booking

try:
    from django.tasks import task  # Django 6.0 and later
except ImportError:
    from django_tasks import task  # Django 5.2: the package django-tasks


@task
async def send_confirmation(booking: int) -> str:
    """Send the letter that confirms a booking, through the service at `settings.POST_OFFICE`.

    It may run twice for one booking: a worker that is killed has perhaps sent the letter already. So the letter
    carries a number that is the same each time, by which the post office knows it.

    Args:
        booking: the key of a `Booking`.

    Returns:
        the username that the letter went to.

    Raises:
        httpx.HTTPError: when the post office does not take the letter.
        Booking.DoesNotExist: when the booking was cancelled meanwhile.
    """
    row = await Booking.objects.select_related("traveller").aget(pk=booking)
    letter = {"letter": f"confirmation-{row.pk}", "to": row.traveller.username}
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        response = await client.post(settings.POST_OFFICE, params=letter, json={})
    response.raise_for_status()
    return row.traveller.username
