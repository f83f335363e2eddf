"""Removes the second factors of an account, for somebody who lost phone and keys."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kernel.factors import held
from kernel.models import User


class Command(BaseCommand):
    help = "Removes all second factors of an account. The ledger has it, the person is told, and the rights rest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no account {options['username']!r}.")
        print(f"{held.reset(user, actor=None)} second factors of {user.username} are removed.")
