"""`manage.py manifest_schema`: the JSON Schema of a manifest, for an editor; see docs/reference/manifest.md."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from runtime.selectors import manifest_page, manifest_schema


class Command(BaseCommand):
    help = "Print the JSON Schema of an integration's manifest, with the settings of every connector."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--markdown", action="store_true", help="tables for people")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["markdown"]:
            self.stdout.write(manifest_page.markdown(), ending="")
        else:
            self.stdout.write(json.dumps(manifest_schema.for_editors(), indent=2, ensure_ascii=False))
