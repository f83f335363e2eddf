"""`manage.py retention`: what is kept how long, what would go now, and letting it go;
see docs/how-to/keep-and-erase.md."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.errors import DomainError
from kernel.ui.wording import number
from kernel.viewer import Viewer
from runtime.models import RetentionPolicy
from runtime.services import retention


class Command(BaseCommand):
    help = (
        "Show how long each class of data is kept. --dry-run: what would go now and what holds it back. --run: let it "
        "go (the scheduler does the same in small steps). --set CLASS --days N (or --for-ever): change a policy."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="what would go now; changes nothing")
        parser.add_argument("--run", action="store_true", help="let go what is due")
        parser.add_argument("--set", dest="data_class", choices=RetentionPolicy.DataClass.values)
        parser.add_argument("--days", type=int)
        parser.add_argument("--for-ever", action="store_true")
        parser.add_argument("--integration", default="", help="the policy of this integration alone")
        parser.add_argument("--reason", default="", help="kept in the audit ledger")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["data_class"]:
            self._set(options)
        elif options["dry_run"]:
            self._dry_run()
        elif options["run"]:
            self._run()
        else:
            for name, days in retention.in_force().items():
                self.stdout.write(f"{name:<12} {'for ever' if days is None else f'{days} days'}")

    def _set(self, options: dict[str, Any]) -> None:
        if (options["days"] is None) != options["for_ever"]:
            raise CommandError("Say how long: --days N, or --for-ever.")
        try:
            made = retention.set_policy(
                options["data_class"],
                options["days"],
                integration=options["integration"],
                actor=None,
                reason=options["reason"],
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{made.data_class}: {made.days or 'for ever'}, from {made.since:%Y-%m-%d %H:%M} UTC on.")

    def _run(self) -> None:
        done = retention.run_all()
        self.stdout.write(f"Dropped: {', '.join(done.partitions) or 'no partition'}; {done.rows:,} rows.")
        left, holders = retention.in_the_way()
        if left or not done.ran:
            still = f"Still due: {', '.join(left)}. " if left else "Another process had this work, or its lock. "
            who = f"Locks are held by {'; '.join(holders)}. " if holders else "Nobody holds a lock on them now. "
            raise CommandError(f"{still}{who}Run this again once they are done.")

    def _dry_run(self) -> None:
        found = retention.due(Viewer(system=True))
        for one in found:
            held = f"  held: {'; '.join(one.holds)}" if one.holds else ""
            rows = f"about {number(one.number)}" if one.estimated and not one.more else number(one.number)
            self.stdout.write(f"{one.data_class:<12} {one.what:<28} {rows:>18}{held}")
        if not found:
            self.stdout.write("Nothing is due.")
