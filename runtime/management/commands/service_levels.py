"""`manage.py service_levels`: what is measured against what was promised, and objectives as people set them;
see docs/how-to/service-levels.md."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.errors import DomainError
from kernel.viewer import SYSTEM
from runtime.domain.objectives import KINDS, ObjectiveScope
from runtime.selectors import service_levels as selectors
from runtime.services import objectives, standings


class Command(BaseCommand):
    help = (
        "Show every flow and system against its objectives, the worst first. --report YYYY-MM: a month of the past. "
        "--set KIND --share PER_CENT [--within SECONDS] (or --give-back): an objective."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--environment", default="", help="production where it is shown; any where it is set")
        parser.add_argument("--report", default="", help="a month, as 2026-10")
        parser.add_argument("--set", dest="kind", choices=KINDS)
        parser.add_argument("--integration", default="")
        parser.add_argument("--target", default="")
        parser.add_argument("--system", default="")
        parser.add_argument("--tier", type=int)
        parser.add_argument("--share", default="", help="per cent")
        parser.add_argument("--within", type=float, help="seconds")
        parser.add_argument("--give-back", action="store_true", help="to the manifest and the tier")
        parser.add_argument("--reason", default="", help="kept in the audit ledger")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["kind"]:
            self._set(options)
        elif options["report"]:
            self._report(*_month(options["report"]), options["environment"] or "production")
        else:
            for one in selectors.listed(SYSTEM, options["environment"] or "production", days=False):
                left = f"budget left {one.left_words}"
                self.stdout.write(
                    f"{one.tone.word:<8} {one.kind_label:<12} {one.title:<40} {one.measured_words:>9} of "
                    f"{one.objective_words:<24} {left:<22} {one.why}".rstrip()
                )

    def _report(self, first: date, last: date, environment: str) -> None:
        for one in selectors.listed(SYSTEM, environment, days=False):
            row = selectors.indicator(SYSTEM, one.id)
            if row is not None:
                words = selectors.window_words(standings.report(row, first, last), one)
                self.stdout.write(
                    f"{words.tone.word:<8} {one.kind_label:<12} {one.title:<40} {words.measured:>9} {words.of:<22} "
                    f"budget left {words.left:<10} {words.reason}".rstrip()
                )

    def _set(self, options: dict[str, Any]) -> None:
        if bool(options["share"]) == options["give_back"]:
            raise CommandError("Say which: --share PER_CENT, or --give-back.")
        try:
            share = None if options["give_back"] else Decimal(options["share"])
        except InvalidOperation as error:
            raise CommandError("--share is a number in per cent, for example 99.5.") from error
        names = ("kind", "integration", "target", "system", "environment", "tier")
        scope = ObjectiveScope(**{name: options[name] for name in names})
        try:
            objectives.set_policy(scope, share, options["within"], actor=None, reason=options["reason"])
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Set. It judges what comes from the next minute on.")


def _month(text: str) -> tuple[date, date]:
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise CommandError("Name the month as year-month, for example 2026-10.") from error
    if not 2000 <= first.year <= 2999:
        raise CommandError("Name a month of the years 2000 to 2999.")
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
