"""`manage.py boot`: everything between an empty database and a served page, in one process."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from portal import demo


class Command(BaseCommand):
    help = "Migrate, collect static files and apply the demo retailer (idempotent). DEMO=no leaves the demo out."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        self.stdout.write("         database migrated")
        if not settings.DEBUG:
            call_command("collectstatic", verbosity=0, interactive=False)
        if settings.DEMO:
            report = demo.apply()
            self.stdout.write(f"         {report}")
