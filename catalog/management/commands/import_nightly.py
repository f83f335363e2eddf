"""`manage.py import_nightly list|add|run|remove`: sources that workers import every night."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.management import in_the_name_of
from catalog.models import ImportSchedule
from catalog.services.importing import nightly, places
from catalog.services.importing.target import STATES
from kernel.errors import DomainError

_DEFAULTS = ("owner_team", "domain", "layer", "tier", "system")


class Command(BaseCommand):
    help = (
        "Import sources every night: from a folder, a Git checkout or a list of addresses that workers can reach."
        " A diff comes first; people are told by notice and mail where something needs one of them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["list", "add", "run", "remove"])
        parser.add_argument("source", nargs="?", default="", help="name of the source")
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--folder", help="a folder on the machine of the workers")
        where.add_argument("--git", help="a Git checkout there, which something else keeps up to date")
        where.add_argument("--urls", help="a file there with one address a line")
        parser.add_argument("--at", type=int, default=2, help="from this hour on, UTC; by default 2")
        parser.add_argument(
            "--apply",
            default=nightly.ALWAYS,
            choices=nightly.APPLIES,
            help="take differences over: always, where nothing needs a person (clean), or never",
        )
        parser.add_argument("--team", default="", help="key of the team that is told; by default the architects")
        in_the_name_of.add_argument(parser)
        for name in _DEFAULTS:
            parser.add_argument(
                f"--{name.replace('_', '-')}", default="", help=f"{name} of new APIs whose source names none"
            )

        parser.add_argument(
            "--people",
            action="store_true",
            help="take people from Backstage's User and Group: accounts of new ones, and places in this source's teams",
        )
        parser.add_argument(
            "--state",
            default="",
            choices=["", *STATES],
            help="state of new versions whose source says none: draft, or published where the source is right",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with in_the_name_of.person(options["username"]) as actor:
                self._do(actor, options)
        except DomainError as error:
            raise CommandError(f"{error.message} [{error.code}]") from None

    def _do(self, actor: Any, options: dict[str, Any]) -> None:
        action, source = options["action"], options["source"]
        if action == "list":
            for one in ImportSchedule.objects.select_related("last_run"):
                said = one.error or (f"last {one.done_on}" if one.done_on else "not yet")
                self.stdout.write(f"{one.source}  {one.kind} {one.location}  at {one.hour} UTC, {one.apply}: {said}")
        elif action == "add":
            kind = next((k for k in places.KINDS if options[k]), "")
            if not kind:
                raise CommandError("Say where it is: --folder, --git or --urls.")
            nightly.set_schedule(
                source,
                kind=kind,
                location=str(Path(options[kind]).resolve()),
                hour=options["at"],
                apply=options["apply"],
                team=options["team"],
                defaults={name: options[name] for name in (*_DEFAULTS, "state")}
                | {"people": "yes" if options["people"] else ""},
                actor=actor,
            )
            self.stdout.write(f"{source} is imported every night. Try it now: manage.py import_nightly run {source!r}")
        elif action == "remove":
            nightly.remove(source, actor=actor)
            self.stdout.write(f"{source} is no longer imported every night; what it brought stays.")
        else:
            found = ImportSchedule.objects.filter(source=source).first()
            if found is None:
                raise CommandError(f"No source {source!r} is imported every night. Add it first.")
            run = nightly.carry(found)
            found.refresh_from_db()
            if found.error:
                raise CommandError(found.error)
            self.stdout.write(f"Import {run.pk}." if run else "Nothing differs.")
