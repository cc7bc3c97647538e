"""python manage.py load_sample_data: make the tables, fill them with the sample agency."""

from typing import Any

from django.core.management import BaseCommand, call_command

from tutorial_project.trips.sample_data import load_sample_data


class Command(BaseCommand):
    help = "Migrates the database and puts the sample travel agency into it, replacing what the app's tables held."
    # A fresh clone has no tables, and this is the command that makes them.
    requires_migrations_checks = False

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        rows = load_sample_data()
        counts = ", ".join(f"{number} {name}" for name, number in rows.items())
        self.stdout.write(f"Loaded {counts}. Next: python manage.py runserver")
