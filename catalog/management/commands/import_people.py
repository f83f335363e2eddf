"""`manage.py import_people FILE.csv [--dry-run]`: people and their teams from a CSV; `docs/how-to/provision-people.md`
has the columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.management import in_the_name_of
from catalog.services import people
from catalog.services.findings import Findings
from kernel.errors import DomainError


class Command(BaseCommand):
    help = "Write people and who belongs to which team from a CSV. Safe to repeat; all of it or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true")
        in_the_name_of.add_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        found = Findings()
        try:
            lines = people.from_csv(path.read_bytes(), found)
            with in_the_name_of.person(options["username"]) as actor:
                report = people.write(lines, found, actor=actor, dry_run=options["dry_run"])
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
        except DomainError as error:
            told = [f"  line {f.get('line', '?')}, {f['pointer']}: {f['message']}" for f in error.findings]
            raise CommandError("\n".join([error.message, *told])) from None
        for line, username, outcome, note in report.lines:
            if options["verbosity"] > 1 or outcome != "unchanged":
                self.stdout.write(f"line {line:<5} {outcome:<10} {username} {note}".rstrip())
        self.stdout.write(report.summary())
