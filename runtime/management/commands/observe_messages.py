"""Compare what an integration took in and refused with the contracts of its sources."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kernel import clock
from kernel.errors import DomainError
from kernel.models import User
from runtime.services import observing


class Command(BaseCommand):
    help = (
        "Compare the messages that an integration took in, and those that it refused, with the contracts that its "
        "sources pin, and hand the reports in to the catalog. Only names, types and values of closed lists are kept."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("integration", help="key of the integration")
        parser.add_argument("environment", help="test, staging, production …")
        parser.add_argument("--as", dest="account", default="", help="user name of who hands in; may change the APIs")
        parser.add_argument("--days", type=int, default=7, help="how far back, 1 to 90 (default: 7)")
        parser.add_argument("--dry-run", action="store_true", help="print the reports and hand nothing in")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["days"] <= 90:
            raise CommandError("--days is 1 to 90.")
        actor = User.objects.filter(username=options["account"], is_active=True).first()
        if actor is None and not options["dry_run"]:
            raise CommandError("--as names the active account that hands in, or use --dry-run.")
        try:
            stream = observing.stream_of(options["integration"], options["environment"])
            found = observing.observe(stream, since=clock.now() - timedelta(days=options["days"]))
            for one in found:
                if options["dry_run"]:
                    self.stdout.write(json.dumps(one.report, indent=2))
                elif actor is not None:
                    kept = observing.record(stream, one, actor=actor)
                    known = " (known already)" if kept.repeated else ""
                    self.stdout.write(f"{one.version}: {len(kept.report.differences)} differences{known}")
        except DomainError as error:
            raise CommandError(error.message) from None
        if not found:
            self.stdout.write("No message came from a source that pins the present contract of an API version.")
