"""`manage.py migrate` as the owner of the tables, who then gives the role that serves its rights on what is new."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate

from kernel.postgresql import owner
from portal.database_roles import give_serving_role


class Command(migrate.Command):
    def execute(self, *args: Any, **options: Any) -> str | None:
        """Django's checks look at the database, too: on a new server there is no serving role yet to do it as."""
        with owner.as_owner(options.get("database", "default")):
            return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if not options.get("plan") and not options.get("check_unapplied"):
            give_serving_role()
