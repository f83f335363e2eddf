"""`manage.py verify_ledger`: walk the whole chain of the ledger and compare it with its witness; exit 1 where it is
broken."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.witness import verifying


class Command(BaseCommand):
    help = (
        "Verify the ledger: its hash chain, computed here; the heads that its witness keeps outside the database; the "
        "functions and triggers that write it. It finds what was written anew, cut, put into another order or dated "
        "back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--anchor", default="", help="position and hash of an earlier head, as this command prints it"
        )
        parser.add_argument(
            "--witness",
            metavar="FILE",
            help="another witness than the setting WITNESS_FILE: a copy from elsewhere, one head a line",
        )
        parser.add_argument("--no-witness", action="store_true", help="the chain by itself")
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        witness = Path(options["witness"]) if options["witness"] else None
        if witness is not None and not witness.is_file():
            raise CommandError(f"--witness {witness} is no file that can be read.", returncode=2)
        found = verifying.verify(
            anchor=_anchor(options["anchor"]), witness=Path() if options["no_witness"] else witness
        )
        chain = found.chain
        if options["json"]:
            told = {
                "sound": chain.sound,
                "entries": chain.entries,
                "head": chain.head,
                "broken_at": chain.broken_at,
                "reason": chain.reason,
                "witnessed": found.witnessed,
                "notes": list(found.notes),
            }
            self.stdout.write(json.dumps(told))
        elif chain.sound:
            for note in found.notes:
                self.stdout.write(f"{note}.")
            self.stdout.write(
                f"The chain holds: {chain.entries} entries, {found.witnessed} witnessed heads. "
                f"Anchor to keep elsewhere: {chain.entries}:{chain.head}"
            )
        if not chain.sound:
            at = f" at position {chain.broken_at}" if chain.broken_at else ""
            raise CommandError(f"The chain is broken{at}: {chain.reason}.", returncode=1)


def _anchor(text: str) -> tuple[int, str] | None:
    if not text:
        return None
    read = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text)
    if read is None:
        raise CommandError(
            "--anchor is a position, a colon and 64 hex digits, as this command prints it.", returncode=2
        )
    return int(read[1]), read[2]
