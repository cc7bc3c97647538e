"""python manage.py doctor: is everything here that the tutorial needs?"""

from __future__ import annotations

import sys
from typing import Any

from rich.markup import escape
from rich.table import Table

from tutorial_project.desk.management.classroom_command import ClassroomCommand
from tutorial_project.desk.management.health import CHECKS, Finding


class Command(ClassroomCommand):
    help = "Examines this machine and this environment; says of each thing that it is OK, or what to do."

    def handle(self, **options: Any) -> None:
        findings = [check() for check in CHECKS]
        self.console().print(table(findings))
        if any(finding.verdict == "wrong" for finding in findings):
            sys.exit(1)


def table(findings: list[Finding]) -> Table:
    """One row a finding; what to do stands below what was found."""
    rows = Table("", "Examined", "Found", show_lines=False)
    for finding in findings:
        advice = f"\n→ {finding.advice}" if finding.advice else ""
        rows.add_row(finding.verdict, finding.subject, escape(finding.found + advice))
    return rows
