"""`manage.py erase_payload`: erase what the messages of a key said; see docs/how-to/keep-and-erase.md."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.errors import DomainError
from runtime.models import Stream
from runtime.services import erasure


class Command(BaseCommand):
    help = "Erase the payloads of all messages of one key of an integration. It cannot be undone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("integration")
        parser.add_argument("key", help="the key as pages show it")
        parser.add_argument("--environment", default="production")
        parser.add_argument("--reason", required=True, help="on whose request, and why; the audit ledger keeps it")

    def handle(self, *args: Any, **options: Any) -> None:
        stream = Stream.objects.filter(
            integration__key=options["integration"], environment=options["environment"]
        ).first()
        if stream is None:
            raise CommandError(f"{options['integration']} is not deployed in {options['environment']}.")
        try:
            count = erasure.erase(stream.pk, key=options["key"], actor=None, reason=options["reason"])
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The payloads of {count} messages were erased.")
