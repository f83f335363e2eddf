"""`manage.py ledger_restored`: state that the database was restored, or end the recovery window; see
docs/how-to/restore-and-fail-over.md."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.errors import DomainError
from runtime.models import Rewind
from runtime.services import recovery


class Command(BaseCommand):
    help = (
        "State that this database was restored to an earlier moment: new messages get other idempotency keys, and what "
        "may have been sent before is asked about first. Promotions and dumps in another database are noticed without "
        "it. Stop the workers first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--note", default="", help="why, for the audit ledger: which backup, of when")
        parser.add_argument("--hours", type=float, help="how long new messages are asked about, too (default 24)")
        parser.add_argument(
            "--end-window", type=int, metavar="N", help="end the window of rewind N: all senders have sent again"
        )
        parser.add_argument("--show", action="store_true", help="list the rewinds and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["show"]:
            self._show()
            return
        if not options["note"].strip():
            raise CommandError("Give a note (--note): which backup was restored, of when, and why. It is kept.")
        if options["hours"] is not None and not 0 <= options["hours"] <= 24 * 31:
            raise CommandError("The window (--hours) lasts 0 to 744 hours.")
        try:
            if options["end_window"] is not None:
                done = recovery.end_window(options["end_window"], note=options["note"])
                word = "has ended" if done else "had ended before"
                self.stdout.write(f"The recovery window of rewind {options['end_window']} {word}.")
                return
            made = recovery.state_restored(note=options["note"], hours=options["hours"])
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Rewind {made.pk}: new keys from now on; {made.lanes} lanes ask before they send, "
            f"also about new messages until {made.window_until:%Y-%m-%d %H:%M} UTC."
        )

    def _show(self) -> None:
        for one in Rewind.objects.order_by("id"):
            ended = f"{one.ended_at:%Y-%m-%d %H:%M}" if one.ended_at else "in recovery"
            self.stdout.write(
                f"{one.pk}  {one.at:%Y-%m-%d %H:%M}  {one.reason}  {one.before or '?'} → {one.after}  {ended}"
            )
        if not Rewind.objects.exists():
            self.stdout.write("This database has never gone back, as far as the runtime has noticed or was told.")
