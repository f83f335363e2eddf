"""Grant or revoke the right to hand in messages, for installations that are set up by scripts."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kernel.errors import DomainError
from runtime.models import Integration
from runtime.services import intake_grants


class Command(BaseCommand):
    help = "Let an account or a team hand in messages to an integration in one environment, or end that."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("integration", help="key of the integration")
        parser.add_argument("environment", help="test, staging, production …")
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--account", default="", help="user name of a service account")
        who.add_argument("--team", default="", help="key of a team")
        parser.add_argument("--revoke", action="store_true", help="end the grant")

    def handle(self, *args: Any, **options: Any) -> None:
        integration = Integration.objects.select_related("owner_team").filter(key=options["integration"]).first()
        if integration is None:
            raise CommandError(f"There is no integration {options['integration']!r}.")
        if options["revoke"]:
            self._revoke(integration, options)
            return
        try:
            intake_grants.grant(
                integration, options["environment"], account=options["account"], team=options["team"], actor=None
            )
        except DomainError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"{options['account'] or options['team']} may hand in to {integration.key}.")

    def _revoke(self, integration: Integration, options: dict[str, Any]) -> None:
        found = intake_grants.grants_of(integration, options["environment"])
        to = {"account__username": options["account"]} if options["account"] else {"team__team__key": options["team"]}
        for made in found.filter(**to):
            intake_grants.revoke(made.pk, integration, actor=None)
        self.stdout.write(f"{options['account'] or options['team']} may not hand in to {integration.key} by a grant.")
