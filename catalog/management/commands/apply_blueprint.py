"""`manage.py apply_blueprint FILE [--dry-run]`; `catalog/services/blueprint/application.py` has the format."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError

from catalog.services import blueprint
from kernel.errors import DomainError


class Command(BaseCommand):
    help = "Apply a blueprint (YAML) to the catalog. Idempotent; all of it or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            document = yaml.safe_load(path.read_text())
            report = blueprint.apply(document, actor=None, dry_run=options["dry_run"], base_dir=path.parent)
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}") from None
        except yaml.YAMLError as error:
            raise CommandError(f"{path} is not YAML: {error}") from None
        except DomainError as error:
            lines = [f"  {f['pointer']}: {f['message']}" for f in error.findings]
            raise CommandError("\n".join([error.message, *lines])) from None
        for outcome, kind, key, note in report.lines:
            if options["verbosity"] > 1 or outcome == "kept":
                self.stdout.write(f"{outcome:<10} {kind} {key} {note}")
        self.stdout.write(report.summary())
