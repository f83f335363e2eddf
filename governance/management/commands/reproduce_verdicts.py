"""`manage.py reproduce_verdicts`: compute every stored verdict again and compare byte for byte."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.models import Verdict
from governance.services import verdicts
from kernel.viewer import SYSTEM


class Command(BaseCommand):
    help = "Reproduce stored verdicts from their stored evidence; fails when a single byte differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--last", type=int, default=10_000, help="how many of the newest (default 10000)")

    def handle(self, *args: Any, **options: Any) -> None:
        numbers = list(Verdict.objects.order_by("-id").values_list("id", flat=True)[: options["last"]])
        wrong = [number for number in numbers if not verdicts.reproduce(number, SYSTEM)[0]]
        if wrong:
            raise CommandError(
                f"{len(wrong)} of {len(numbers)} verdicts came out differently: {', '.join(map(str, wrong[:20]))}"
            )
        self.stdout.write(f"{len(numbers)} verdicts reproduced, every byte the same.")
