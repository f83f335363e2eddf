"""`manage.py erase_payload`: erase what the messages of a key said; see docs/how-to/keep-and-erase.md."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.errors import DomainError
from runtime.models import Stream
from runtime.services import erasure
from runtime.services.erasure import ErasurePreview


class Command(BaseCommand):
    help = "Erase the payloads of all messages of one key of an integration. It cannot be undone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("integration")
        parser.add_argument("key", help="the key as pages show it")
        parser.add_argument("--environment", default="production")
        parser.add_argument("--reason", default="", help="on whose request, and why; the audit ledger keeps it")
        parser.add_argument("--dry-run", action="store_true", help="say what would go and what is in the way")

    def handle(self, *args: Any, **options: Any) -> None:
        stream = Stream.objects.filter(
            integration__key=options["integration"], environment=options["environment"]
        ).first()
        if stream is None:
            raise CommandError(f"{options['integration']} is not deployed in {options['environment']}.")
        try:
            if options["dry_run"]:
                self._say(erasure.preview(stream.pk, key=options["key"], actor=None))
                return
            count = erasure.erase(stream.pk, key=options["key"], actor=None, reason=options["reason"])
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"The payloads of {count} messages were erased now; those that were erased before do not count."
        )

    def _say(self, found: ErasurePreview) -> None:
        self.stdout.write(f"The payloads of {found.messages} messages would be erased. Nothing was changed.")
        for one in found.waits:
            self.stdout.write(f"In the way: {one.who} {one.why}")
