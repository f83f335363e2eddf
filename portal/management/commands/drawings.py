"""`manage.py drawings`: write the drawings of docs/reference that come from the code; with `--check`, say which are out
of date.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal import drawings


class Command(BaseCommand):
    help = "Write tables-*.md, message-states.md and metrics.md of docs/reference from the code."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is out of date")

    def handle(self, *args: Any, **options: Any) -> None:
        stale = []
        for name, content in drawings.documents().items():
            path = settings.BASE_DIR / "docs" / "reference" / name
            if path.is_file() and path.read_text() == content:
                continue
            stale.append(name)
            if not options["check"]:
                path.write_text(content)
        if options["check"] and stale:
            raise CommandError(f"Out of date: {', '.join(stale)}. Run: make drawings")
        self.stdout.write(f"written: {', '.join(stale)}" if stale else "all drawings are current")
