"""`manage.py import_estate PATH [--dry-run]`: a folder of contracts, a CSV, Backstage or Open Data Contract files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.management import in_the_name_of
from catalog.models import ImportRow
from catalog.services import importing
from catalog.services.importing.target import STATES
from kernel.errors import DomainError


class Command(BaseCommand):
    help = (
        "Import an estate: a folder of contracts, a CSV, Backstage catalog-info.yaml or Open Data Contract files."
        " Safe to repeat."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path)
        parser.add_argument(
            "--dry-run", action="store_true", help="do the work, show the report, keep nothing but the report"
        )
        in_the_name_of.add_argument(parser)
        parser.add_argument(
            "--source",
            default=None,
            help="name of the source, by default the folder's; what it no longer names is listed",
        )
        for name in ("owner-team", "domain", "layer", "tier", "system"):
            parser.add_argument(
                f"--{name}", default="", help=f"{name.replace('-', ' ')} of new APIs whose source names none"
            )

        parser.add_argument(
            "--people",
            action="store_true",
            help="take people from Backstage's User and Group: accounts of new ones, and places in this source's teams",
        )
        parser.add_argument(
            "--state",
            default="",
            choices=["", *STATES],
            help="state of new versions whose source says none: draft, or published where the source is right",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["path"]
        defaults = {n: options[n] for n in ("owner_team", "domain", "layer", "tier", "system", "state")}
        defaults["people"] = "yes" if options["people"] else ""
        try:
            sources = importing.read_sources(path)
            with in_the_name_of.person(options["username"]) as actor:
                run = importing.run(
                    sources,
                    actor=actor,
                    source=path.name or str(path),
                    dry_run=options["dry_run"],
                    defaults=defaults,
                    progress=self._progress,
                    source_key=(path.resolve().name if path.is_dir() else "")
                    if options["source"] is None
                    else options["source"],
                )
        except DomainError as error:
            raise CommandError(f"{error.message} [{error.code}]") from None
        if sys.stderr.isatty():
            self.stderr.write("")
        rows = list(run.rows.all())
        for row in rows:
            if row.outcome == ImportRow.Outcome.REFUSED or options["verbosity"] > 1:
                self.stdout.write(f"{row.outcome:<10} {row.source}  {row.reference}  {row.code}  {row.message}")
        counts = {o: sum(1 for r in rows if r.outcome == o) for o in ImportRow.Outcome.values}
        noticed, differs, gone = (sum(r.code == f"import.{c}" for r in rows) for c in ("noticed", "differs", "gone"))
        said = ", ".join(f"{n} {o}" for o, n in counts.items() if n) or "nothing"
        more = f", {differs} to decide" if differs else ""
        more += f", {gone} no longer named" if gone else ""
        kept = "Dry run, nothing kept: " if run.dry_run else ""
        self.stdout.write(f"{kept}{len(rows)} read: {said}; {noticed} with remarks{more}. Import {run.pk}.")
        if gone and run.source_key:
            self.stdout.write(
                f"To retire or keep what is no longer named: manage.py retire_imported {run.source_key!r}"
            )

    def _progress(self, done: int, total: int, source: str) -> None:
        if sys.stderr.isatty():
            filled = 30 * done // max(total, 1)
            self.stderr.write(f"\r[{'#' * filled}{'.' * (30 - filled)}] {done}/{total} {source[:60]:<60}", ending="")
