"""`manage.py end_demo`: a database that has grown out of the demo is no demo any more."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.errors import Conflict
from portal import demo_database


class Command(BaseCommand):
    help = (
        "State that the demo of this database has ended, for good: its password opens nothing any more, DEMO=yes is "
        "refused, and the guard no longer refuses the demo's data. Accounts with the demo's password are closed first."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            demo_database.end()
        except Conflict as error:
            raise CommandError(error.message) from None
        self.stdout.write("The demo of this database has ended. The ledger says so.")
