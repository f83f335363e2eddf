"""`manage.py database_roles`: the rights of the role that serves, given or printed; and what is too strong about it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from kernel.postgresql import owner, role_strength
from portal import database_roles


class Command(BaseCommand):
    help = (
        "Give the role of DATABASE_URL the rights that serving needs, as the owner of the tables (DATABASE_OWNER_URL). "
        "`migrate` does it by itself; this is for a new role, and for those who want to read the statements first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--to", metavar="ROLE", help="another role than the one of DATABASE_URL")
        parser.add_argument("--print", action="store_true", dest="only_print", help="print the statements instead")
        parser.add_argument("--check", action="store_true", help="say what is too strong about the roles that serve")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            self._check()
            return
        role = options["to"] or owner.serving_role()
        if not role:
            raise CommandError("DATABASE_OWNER_URL names no other role than DATABASE_URL: one role does everything.")
        with owner.as_owner():
            if options["only_print"]:
                self.stdout.write("\n".join(database_roles.printed(role)))
            elif options["to"]:
                self.stdout.write(f"{role}: {database_roles.give_to(role)} statements")
            else:
                self.stdout.write(f"{role}: {database_roles.give_serving_role()} statements")

    def _check(self) -> None:
        said = [
            f"The role of {name} may do more than serve: {'; '.join(what)}."
            for name, what in role_strength.too_strong().items()
        ]
        if said:
            raise CommandError(" ".join([*said, f"{role_strength.ADVICE[0].upper()}{role_strength.ADVICE[1:]}."]))
        names = " and ".join(settings.DATABASE_ADDRESSES)
        self.stdout.write(f"The role of {names} serves and does nothing else.")
