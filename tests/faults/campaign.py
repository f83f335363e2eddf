"""The fault campaign: real processes, seeded injections, judged by the vendors' journals.

    python -m tests.faults.campaign --minutes 5

A round has a seed, a fixed plan of messages and a kind of vendor: `blind` ones check neither keys nor versions, so that
every second send shows (workers are then not paused between lease check and socket, which nobody could survive);
`keyed` ones do, and pauses fall anywhere. Rounds follow each other, blind and keyed in turn, until the time is over.
Every round is a line of `rounds.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.database_faults import KINDS as DATABASES
from tests.faults.harness import Installation
from tests.faults.injections import CALM, Options
from tests.faults.judge import Verdict
from tests.faults.offers import OfferSource
from tests.faults.plant_names import FOUND_BY, IN_THE_CAMPAIGN, OTHER_FUNCTIONS, WHAT, WITHOUT_TRIGGERS
from tests.faults.product import People
from tests.faults.progress import Progress
from tests.faults.rounds import Round
from tests.faults.vendor_faults import KINDS, SOURCES


@dataclass
class Campaign:
    """Servers, product and people once; then rounds."""

    folder: Path
    options: Options
    seed: int
    own: bool = True
    installation: Installation = field(init=False)
    people: People = field(init=False)
    source: OfferSource = field(init=False)

    def start(self, database_url: str | None = None) -> Campaign:
        self.installation = Installation(
            self.folder, self.seed, own=self.own, lease=self.options.lease, kinds=self.options.databases
        )
        if self.own:
            self.installation.prepare_django()
        self.people = People(self.installation, deadline=self.options.deadline)
        self.people.vendors = self.options.vendors
        self.people.source = self.source = OfferSource(self.folder / "source.jsonl", self.seed)
        self.source.dates_within = self.options.dates_within
        self.people.move_in()
        if self.options.plant in IN_THE_CAMPAIGN:
            from tests.faults import plants  # loads the product

            plants.put_in(self.options.plant)
        self.installation.start_processes(database_url, self.options.plant)
        if self.options.plant:
            for trigger in WITHOUT_TRIGGERS.get(self.options.plant, ()):
                table = "runtime_quarantine" if "quarantine" in trigger else "runtime_progress"
                self.people.sql(f"alter table {table} disable trigger {trigger}")
            if self.options.plant in OTHER_FUNCTIONS:
                self.people.sql(OTHER_FUNCTIONS[self.options.plant])
        return self

    def round(
        self, seed: int, *, blind: bool, progress: Progress | None = None, share: Callable[[], float] = float
    ) -> Verdict:
        made = Round(
            self.installation, self.people, self.options, seed, blind, self.own, progress=progress, share=share
        )
        return made.run()

    def stop(self) -> None:
        if hasattr(self, "source"):
            self.source.stop()
        if hasattr(self, "people"):
            self.people.leave()
        if hasattr(self, "installation"):
            self.installation.stop()


@dataclass
class Total:
    """All rounds together. `injected` counts what was broken and decided, by kind."""

    first: int
    rounds: int = 0
    dirty: int = 0
    messages: int = 0
    effects: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    injected: dict[str, int] = field(default_factory=dict)
    said: Counter[str] = field(default_factory=Counter)  # how often the product was asked what it says

    def add(self, verdict: Verdict) -> None:
        self.rounds += 1
        self.dirty += not verdict.clean
        self.messages += verdict.facts["sales"] + verdict.facts["prices"] + verdict.facts.get("offers", 0)
        self.said.update(verdict.facts.get("said", {}))
        self.effects += verdict.facts["effects"]
        self.counts.update(verdict.counts())

    def add_facts(self, facts: dict[str, Any]) -> None:
        """Another run that is over."""
        for name in ("rounds", "dirty", "messages", "effects", "seconds"):
            setattr(self, name, getattr(self, name) + facts[name])
        self.counts.update({kind: facts[kind] for kind in Verdict.KINDS})
        self.said.update(facts["said"])
        self.injected = dict(Counter(self.injected) + Counter(facts["injected"]))

    def facts(self) -> dict[str, Any]:
        return {
            "rounds": self.rounds,
            "dirty": self.dirty,
            "seeds": [self.first, self.first + self.rounds - 1],
            "messages": self.messages,
            "effects": self.effects,
            "seconds": round(self.seconds),
            **{kind: self.counts[kind] for kind in Verdict.KINDS},
            "said": dict(sorted(self.said.items())),
            "injected": dict(sorted(self.injected.items())),
        }


def report(seed: int, blind: bool, verdict: Verdict) -> str:
    words = " ".join(f"{kind} {count}" for kind, count in verdict.counts().items())
    return f"seed {seed} {'blind' if blind else 'keyed'}: {words}  {json.dumps(verdict.facts)}"


def run_rounds(campaign: Campaign, *, minutes: float, first: int, vendor: str = "both") -> Total:
    """Begin rounds until the time is over; with a planted bug also no longer than until it is found."""
    total, begun, progress = Total(first), time.monotonic(), Progress("real processes")
    log = campaign.folder / "rounds.jsonl"
    seed = first
    while True:
        blind = vendor == "blind" or (vendor == "both" and seed % 2 == 1)
        verdict = campaign.round(
            seed, blind=blind, progress=progress, share=lambda: (time.monotonic() - begun) / max(1.0, minutes * 60)
        )
        total.add(verdict)
        progress.clear()
        print(report(seed, blind, verdict), flush=True)
        for kind, examples in verdict.examples.items():
            print(f"   {kind}: {examples}", flush=True)
        with log.open("a") as lines:
            line = {
                "seed": seed,
                "vendors": "blind" if blind else "keyed",
                **verdict.counts(),
                **verdict.facts,
                "examples": dict(verdict.examples),
            }
            lines.write(json.dumps(line) + "\n")
        seed += 1
        total.seconds, total.injected = time.monotonic() - begun, dict(campaign.installation.history.counts)
        (campaign.folder / "real.json").write_text(json.dumps(total.facts(), indent=1))
        if total.seconds > minutes * 60 or (campaign.options.plant and total.dirty):
            return total


def attack(folder: Path, options: Options, *, minutes: float, first: int, vendor: str = "both") -> Total:
    """Servers, rounds, and everything stopped again. Leaves `rounds.jsonl`, `history.jsonl` and the processes' log in
    the folder; of a run that found something the journals and the servers' data too."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    campaign = Campaign(folder, options, first)
    try:
        campaign.start()
        total = run_rounds(campaign, minutes=minutes, first=first, vendor=vendor)
    finally:
        campaign.stop()
    if not total.dirty:
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.startswith("acknowledged-"):
                path.unlink()
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=35.0, help="begin rounds until so much time has passed")
    parser.add_argument("--seed", type=int, default=1, help="the first round's seed")
    parser.add_argument(
        "--batches", type=int, default=150, help="batches of each till and round (10 sales and 4 prices each)"
    )
    parser.add_argument("--pause", type=float, default=0.15, help="seconds between two batches of a till")
    parser.add_argument("--plant", choices=sorted(WHAT), help="put a known bug in; it must be found")
    parser.add_argument("--calm", action="store_true", help="the same load without any fault")
    parser.add_argument("--vendor", choices=("blind", "keyed", "both"), default="both")
    parser.add_argument(
        "--subject",
        choices=("tillgate", "celery"),
        default="tillgate",
        help="celery: plain Celery and Redis, for comparison",
    )
    parser.add_argument(
        "--only",
        choices=[*KINDS, *SOURCES, *DATABASES],
        action="append",
        help="of what vendors, sources, databases and clients do wrong only this",
    )
    parser.add_argument("--keep", type=Path, help="the folder for journals, logs and history")
    given = parser.parse_args()
    if given.subject == "celery":
        from tests.faults.celery_subject import run

        return run(given.seed, given.minutes)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="tg-faults-"))
    more: dict[str, Any] = dict(CALM) if given.calm else {}
    if given.only or given.plant:
        chosen = frozenset(given.only or FOUND_BY.get(given.plant, ("cuts",)))
        more |= {"vendors": chosen & set(KINDS), "sources": chosen & set(SOURCES)}
        more["databases"] = chosen & set(DATABASES)
    if given.plant:
        more["rest_within"] = 60.0
    options = Options(batches=given.batches, till_pause=given.pause, plant=given.plant, **more)
    total = attack(folder, options, minutes=given.minutes, first=given.seed, vendor=given.vendor)
    print(json.dumps(total.facts() | {"kept": str(folder)}))
    return 1 if total.dirty else 0


if __name__ == "__main__":
    sys.exit(main())
