"""`manage.py apply_blueprint FILE [--dry-run]`; `catalog/services/blueprint/application.py` has the format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.management import in_the_name_of
from catalog.services import blueprint
from kernel import bounded_yaml
from kernel.errors import DomainError


class Command(BaseCommand):
    help = "Apply a blueprint (YAML) to the catalog. Idempotent; all of it or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true")
        parser.add_argument(
            "--prune",
            action="store_true",
            help="people whom a blueprint named before and this one does not: show them; with --yes, close them",
        )
        parser.add_argument(
            "--keep",
            action="store_true",
            help="what somebody else has changed since a blueprint wrote it stays as it is, and is told",
        )
        parser.add_argument("--yes", action="store_true", help="with --prune: close the people that it shows")
        in_the_name_of.add_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if options["yes"] and not options["prune"]:
            raise CommandError("--yes belongs to --prune: it closes the people that --prune shows.")
        try:
            document = bounded_yaml.load_file(path)
            with in_the_name_of.person(options["username"]) as actor:
                report = blueprint.apply(
                    document,
                    actor=actor,
                    dry_run=options["dry_run"],
                    base_dir=path.parent,
                    prune=options["prune"] and options["yes"],
                    keeps=options["keep"],
                )
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}") from None
        except DomainError as error:
            lines = [f"  {f['pointer']}: {f['message']}" for f in error.findings]
            raise CommandError("\n".join([error.message, *lines])) from None
        for outcome, kind, key, note in report.lines:
            told = ("changed", "kept", "waits", "closed", *(("missing",) if options["prune"] else ()))
            if options["verbosity"] > 1 or outcome in told:
                self.stdout.write(f"{outcome:<10} {kind} {key} {note}")
        self.stdout.write(report.summary())
        if options["prune"] and not options["yes"] and report.number("missing"):
            self.stdout.write("Nobody was closed. Say --prune --yes to close those who are no longer named.")
