"""`manage.py policy show | install FILE`: read the policies in force, or put the first one of a level in place."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.selectors import policies as selectors
from governance.services import policies
from kernel import bounded_yaml
from kernel.errors import DomainError


class Command(BaseCommand):
    help = (
        "Show the policies in force, or install the first one of a level from a YAML file. "
        "An approved change puts a later one into effect."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["show", "install"])
        parser.add_argument("file", nargs="?", help="YAML or JSON document")
        parser.add_argument("--level", default=selectors.ORGANISATION, help="organisation, domain:<key> or team:<key>")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "show":
            for policy in selectors.all_versions():
                self.stdout.write(f"{policy.level} {policy.version} {policy.state} {policy.digest}")
            return
        if not options["file"]:
            raise CommandError("Name the file of the policy.")
        try:
            document = bounded_yaml.load_file(Path(options["file"]))
            made = policies.install(level=options["level"], document=document, actor=None)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error}") from error
        except DomainError as error:
            lines = "".join(f"\n  {found['pointer'] or '/'}: {found['message']}" for found in error.findings)
            raise CommandError(f"{error}{lines}") from error
        self.stdout.write(f"{made.level} {made.version} is in force: {made.digest}")
