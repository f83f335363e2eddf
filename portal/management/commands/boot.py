"""`manage.py boot`: everything between an empty database and a served page, in one process, with progress."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor

from kernel.postgresql import owner
from portal import demo, demo_database
from portal.management.commands import migrate

EVERY_SECONDS = 2.0


class Migrate(migrate.Command):
    """Django's `migrate`; a thread says every two seconds which migration is being applied, of how many."""

    def __init__(self, say: Callable[[str], object]) -> None:
        super().__init__()
        self.say = say
        with owner.as_owner():
            executor = MigrationExecutor(connection)
            self.total = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        self.begun = 0
        self.current = ""
        self.done = threading.Event()
        if self.total:
            say(f"Database: {self.total} migrations to apply")

    def migration_progress_callback(self, action: str, migration: Migration | None = None, fake: bool = False) -> None:
        super().migration_progress_callback(action, migration, fake)
        if action == "apply_start":
            self.begun += 1
            self.current = str(migration)

    def handle(self, *args: Any, **options: Any) -> None:
        teller = threading.Thread(target=self._tell, daemon=True)
        teller.start()
        try:
            super().handle(*args, **options)
        finally:
            self.done.set()
            teller.join()

    def _tell(self) -> None:
        told = ""
        while not self.done.wait(EVERY_SECONDS):
            if self.current != told:
                told = self.current
                self.say(f"Database: migration {self.begun} of {self.total}, {told}")


class Command(BaseCommand):
    help = "Migrate, collect static files and apply the demo retailer (idempotent). DEMO=no leaves the demo out."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.DEMO:
            with owner.as_owner():  # who serves may have no rights yet, where a start before was interrupted
                why = demo_database.refusal()
            if why is not None:
                raise CommandError(why)
        call_command(Migrate(self.stdout.write), verbosity=0, interactive=False)
        self.stdout.write("Database: up to date")
        if not settings.DEBUG:
            call_command("collectstatic", verbosity=0, interactive=False)
            self.stdout.write("Static files: collected")
        if settings.DEMO:
            report = demo.apply(say=lambda text: self.stdout.write(f"Demo retailer: {text}"))
            self.stdout.write(report)
