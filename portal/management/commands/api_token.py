"""`manage.py api_token`: a token from the command line, for a scraper, a pipeline or a till."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from catalog.selectors import teams
from kernel import persons, tokens
from kernel.errors import DomainError
from kernel.models import User


class Command(BaseCommand):
    help = "Make a token for an account and print it; it is shown this once. Example for Prometheus: "
    help += "manage.py api_token prometheus --make-in-team release-managers --scope metrics:read --days 366"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="user name of the account that the token acts as")
        parser.add_argument(
            "--scope", action="append", required=True, choices=sorted(tokens.SCOPES), help="may be named several times"
        )
        parser.add_argument("--name", default="", help="where it will be used; the account's name without one")
        parser.add_argument("--days", type=int, default=90, help=f"until it ends, at most {tokens.MAX_DAYS}")
        parser.add_argument(
            "--make-in-team",
            metavar="KEY",
            help="make a service account of that name in this team, if there is none; what it sees is what the team "
            "sees (release-managers, architects and security see every integration)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            account = User.objects.filter(username=options["account"]).first()
            if account is None:
                account = self._make(options["account"], options["make_in_team"])
            if not account.is_active:
                raise CommandError(f"The account {account.username} is not active. No token was made.")
            try:
                _, secret = tokens.issue(
                    actor=None,
                    user=account,
                    name=options["name"] or account.username,
                    scopes=options["scope"],
                    days=options["days"],
                )
            except DomainError as error:
                raise CommandError(error.message) from None
        self.stdout.write(secret)
        self.stderr.write(f"A token of {account.username}; it is stored as a hash only and not shown again.")

    def _make(self, name: str, team_key: str | None) -> User:
        if team_key is None:
            raise CommandError(f"There is no account {name}. Make one: --make-in-team KEY. No token was made.")
        team = teams.by_key(team_key)
        if team is None:
            raise CommandError(f"There is no team {team_key!r}. No token was made.")
        if (other := User.objects.filter(persons.called(name)).first()) is not None:
            raise CommandError(f"The account {other.username} has this name in another spelling. No token was made.")
        made = User.objects.create(username=name, kind=User.Kind.SERVICE)
        made.set_unusable_password()
        made.save(update_fields=["password"])
        made.groups.add(team.id)
        return made
