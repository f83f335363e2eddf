"""`manage.py connector_schema rest source`: the JSON Schema of a connection's settings, for an editor; see
docs/reference/connections.md."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.errors import DomainError
from runtime.connectors import settings_tables
from runtime.selectors import connectors


class Command(BaseCommand):
    help = "Print the JSON Schema of the settings of a connector: connector_schema PROTOCOL ROLE [--profile NAME]."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("protocol", nargs="?", default="", help="such as rest; without it, all are listed")
        parser.add_argument("role", nargs="?", default="source", help="source, sink or decision")
        parser.add_argument("--profile", default="", help="what this profile says, a manifest need not say")

        parser.add_argument("--markdown", action="store_true", help="tables for people, of all roles")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if not options["protocol"]:
                for one in connectors.listed():
                    self.stdout.write(f"{one.protocol:<12} {', '.join(one.roles)}")
                return
            if options["markdown"]:
                self.stdout.write(settings_tables.markdown(options["protocol"]), ending="")
                return
            schema = connectors.schema(options["protocol"], options["role"], profile=options["profile"])
        except DomainError as error:
            raise CommandError(error.message) from None
        self.stdout.write(json.dumps(schema, indent=2, ensure_ascii=False))
