"""Each kind of the databases' and the clients' half alone, or each planted bug of it, a round each on one installation.

    python -m tests.faults.one_by_one kinds
    python -m tests.faults.one_by_one plants
    python -m tests.faults.one_by_one plants limitless blocking --batches 60

Of the kinds none may find anything, of the plants each has to be found; else the exit code is 1, as where a kind did
not come up in its round. What a machine cannot do (mounts, a C compiler) is left out and named.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.faults.campaign import Campaign
from tests.faults.database_faults import KINDS
from tests.faults.injections import CALM, Options
from tests.faults.judge import Verdict
from tests.faults.plant_names import FOUND_BY, IN_THE_CAMPAIGN, SHOWN_AS, WHAT
from tests.faults.vendor_faults import KINDS as VENDORS

LAST = ("clock_history",)  # leave something behind that later rounds would find, too
PLANTS = sorted((name for name, kinds in FOUND_BY.items() if set(kinds) <= set(KINDS)), key=lambda n: (n in LAST, n))
AT_LEAST = {"clock": 200}
"""Batches that a round of this kind needs: what sees the fault has to be there before, and tills afterwards."""


def replant(campaign: Campaign, plant: str | None) -> contextlib.ExitStack:
    """The product's processes anew, with this bug in them; what is answered takes it out of the campaign's own."""
    installation, undo = campaign.installation, contextlib.ExitStack()
    assert installation.processes is not None
    assert installation.web is not None
    installation.processes.stop()
    installation.web.stop()
    if plant in IN_THE_CAMPAIGN:
        from tests.faults import plants  # loads the product

        undo.enter_context(plants.planted(plant))
    installation.start_processes(plant=plant)
    return undo


def alone(campaign: Campaign, options: Options, seed: int, *, blind: bool) -> Verdict:
    campaign.options = options
    campaign.people.vendors = options.vendors
    with replant(campaign, options.plant):
        return campaign.round(seed, blind=blind)


def options_of(base: Options, name: str, *, plants: bool) -> Options:
    kinds = frozenset(FOUND_BY[name] if plants else (name,))
    more: dict[str, Any] = {"plant": name, "rest_within": 40.0} if plants else {}
    more["batches"] = max(base.batches, *(AT_LEAST.get(kind, 0) for kind in kinds))
    return replace(base, databases=kinds & set(KINDS), vendors=kinds & set(VENDORS), **more)


def is_found(name: str, verdict: Verdict) -> bool:
    """Whether the counts show this planted bug."""
    return any(verdict.counts()[kind] for kind in SHOWN_AS.get(name, Verdict.KINDS))


def said(name: str, verdict: Verdict) -> str:
    counts = {kind: count for kind, count in verdict.counts().items() if count}
    facts = {key: verdict.facts.get(key) for key in ("sales", "prices", "http", "waits", "seconds")}
    examples = {kind: some[:2] for kind, some in verdict.examples.items()}
    return f"{name}: found {json.dumps(counts)} {json.dumps(facts)} {json.dumps(examples) if examples else ''}"


def run(folder: Path, names: Sequence[str], base: Options, seed: int, *, plants: bool) -> bool:
    """Whether all was as it has to be."""
    folder.chmod(0o711)
    every = frozenset().union(*(options_of(base, name, plants=plants).databases for name in names))
    campaign, well = Campaign(folder, replace(base, databases=every), seed), True
    try:
        campaign.start()
        for number, name in enumerate(names):
            options = options_of(base, name, plants=plants)
            verdict = alone(campaign, options, seed + number, blind=not options.vendors)
            came = verdict.facts["databases"]
            if options.databases - set(came):
                print(f"{name}: left out, this machine cannot do it", flush=True)
                continue
            if options.databases and not any(came.values()):
                well = False
                print(
                    f"{name}: its fault did not come up in {options.batches} batches; say more by --batches", flush=True
                )
                continue
            well = well and (is_found(name, verdict) if plants else verdict.clean)
            print(said(name, verdict), flush=True)
    finally:
        campaign.stop()
    return well


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("kinds", "plants"))
    parser.add_argument("names", nargs="*", help="default: all of them")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--batches", type=int, default=150, help="batches of each till and round")
    parser.add_argument("--keep", type=Path, help="the folder for journals, logs and history")
    given = parser.parse_args()
    known = (*KINDS, *VENDORS) if given.what == "kinds" else (*PLANTS, *(name for name in WHAT if name in FOUND_BY))
    if unknown := set(given.names) - set(known):
        parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(dict.fromkeys(known))}")
    names = given.names or (KINDS if given.what == "kinds" else PLANTS)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="tg-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    base = Options(**CALM, batches=given.batches)
    well = run(folder, names, base, given.seed, plants=given.what == "plants")
    print(f"kept: {folder}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
