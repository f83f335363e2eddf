"""`manage.py retire_imported SOURCE [REF …] [--keep] [--dry-run]`: what a source names no more leaves, by choice."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.management import in_the_name_of
from catalog.services import importing
from kernel.errors import DomainError


class Command(BaseCommand):
    help = (
        "Retire what a source names no more: all of it, or what is named here. What is in use or published stays, and"
        " says why. With --keep it stays for good and belongs to no source."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", help="name of the source, as the report of its imports says it")
        parser.add_argument("refs", nargs="*", metavar="REF", help="such as system:default/tills")
        parser.add_argument("--keep", action="store_true", help="keep it as the catalog's own")
        parser.add_argument("--dry-run", action="store_true", help="show what would become of it, keep only the report")
        in_the_name_of.add_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with in_the_name_of.person(options["username"]) as actor:
                run = importing.leave(
                    options["source"],
                    options["refs"],
                    choice="keep" if options["keep"] else "retire",
                    actor=actor,
                    dry_run=options["dry_run"],
                )
        except DomainError as error:
            raise CommandError(f"{error.message} [{error.code}]") from None
        rows = list(run.rows.all())
        for row in rows:
            self.stdout.write(f"{row.outcome:<10} {row.source}  {row.message}")
        left = sum(row.outcome == "changed" for row in rows)
        kept = "Dry run, nothing kept: " if run.dry_run else ""
        word = "kept" if options["keep"] else "retired"
        self.stdout.write(f"{kept}{left} {word}, {len(rows) - left} as before. Import {run.pk}.")
