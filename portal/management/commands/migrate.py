"""`manage.py migrate` as the owner of the tables, who then gives the role that serves its rights on what is new.

While an installation serves, a migration may meet others: it waits for a lock until its time limit, or PostgreSQL ends
one of two that wait for each other. Then nothing of it was done, and it is tried again.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from django.core.management.commands import migrate
from django.db import OperationalError
from django.db.migrations import Migration

from kernel.postgresql import owner
from kernel.retry import RetryPolicy
from portal.database_roles import give_serving_role

AGAIN = RetryPolicy(base=0.5, ceiling=10.0, attempts=12)
IN_THE_WAY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


class Command(migrate.Command):
    under_way: Migration | None = None

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Django's checks look at the database, too: on a new server there is no serving role yet to do it as."""
        with owner.as_owner(options.get("database", "default")):
            return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        tried = 0
        while True:
            try:
                super().handle(*args, **options)
                break
            except OperationalError as error:
                tried += 1
                if not self._may_try_again(error) or AGAIN.exhausted(tried):
                    raise
                pause = AGAIN.pause(tried - 1)
                why = str(error).partition("\n")[0]
                self.stdout.write(f"{self.under_way}: others were in the way ({why}); again in {pause:.1f} s")
                time.sleep(pause)
        if not options.get("plan") and not options.get("check_unapplied"):
            give_serving_role()

    def migration_progress_callback(self, action: str, migration: Migration | None = None, fake: bool = False) -> None:
        if action == "apply_start":
            self.under_way = migration
        super().migration_progress_callback(action, migration, fake)

    def _may_try_again(self, error: OperationalError) -> bool:
        """Of one that is no transaction, such as an index that is made concurrently, something may be there already."""
        return isinstance(error.__cause__, IN_THE_WAY) and self.under_way is not None and self.under_way.atomic
