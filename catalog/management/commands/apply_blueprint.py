"""`manage.py apply_blueprint FILE [--dry-run]`; `catalog/services/blueprint/application.py` has the format."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError

from catalog.services import blueprint
from kernel.errors import DomainError
from kernel.models import User


class Command(BaseCommand):
    help = "Apply a blueprint (YAML) to the catalog. Idempotent; all of it or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true")
        parser.add_argument("--as", dest="username", default="", help="the person in whose name it is recorded")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        actor = User.objects.filter(username=options["username"]).first() if options["username"] else None
        if options["username"] and actor is None:
            raise CommandError(f"There is nobody called {options['username']!r}.")
        try:
            document = yaml.safe_load(path.read_text())
            report = blueprint.apply(document, actor=actor, dry_run=options["dry_run"], base_dir=path.parent)
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}") from None
        except yaml.YAMLError as error:
            raise CommandError(f"{path} is not YAML: {error}") from None
        except DomainError as error:
            lines = [f"  {f['pointer']}: {f['message']}" for f in error.findings]
            raise CommandError("\n".join([error.message, *lines])) from None
        for outcome, kind, key, note in report.lines:
            if options["verbosity"] > 1 or outcome in ("kept", "waits"):
                self.stdout.write(f"{outcome:<10} {kind} {key} {note}")
        self.stdout.write(report.summary())
