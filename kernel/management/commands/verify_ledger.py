"""`manage.py verify_ledger`: walk the whole chain of the ledger; exit 1 where it is broken."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel import audit


class Command(BaseCommand):
    help = (
        "Verify the ledger's hash chain. With --anchor POSITION:HASH, a head stored elsewhere, "
        "a ledger that was cut is found too."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--anchor", default="", help="position and hash of an earlier head, as this command prints it"
        )
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        anchor = None
        if options["anchor"]:
            read = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", options["anchor"])
            if read is None:
                raise CommandError(
                    "--anchor is a position, a colon and 64 hex digits, as this command prints it.", returncode=2
                )
            anchor = int(read[1]), read[2]
        found = audit.verify(anchor=anchor)
        if options["json"]:
            told = {
                "sound": found.sound,
                "entries": found.entries,
                "head": found.head,
                "broken_at": found.broken_at,
                "reason": found.reason,
            }
            self.stdout.write(json.dumps(told))
        elif found.sound:
            self.stdout.write(
                f"The chain holds: {found.entries} entries. Anchor to keep elsewhere: {found.entries}:{found.head}"
            )
        if not found.sound:
            at = f" at position {found.broken_at}" if found.broken_at else ""
            raise CommandError(f"The chain is broken{at}: {found.reason}.", returncode=1)
