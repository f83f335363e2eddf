"""`manage.py rebuild_search`: rebuild every row of the search tables."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from catalog.services import search_index


class Command(BaseCommand):
    help = "Rebuild the search table from the facts."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{search_index.refresh_all()} APIs")
