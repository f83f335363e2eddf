"""A long fuzz run over the contract engine: damaged real files and disturbed trees are read, linted and compared.

    python -m bench.fuzz_contracts --seconds 300 --seed 1

Every document must be read or be refused with a code, within its time; anything else is printed with the seed that
makes it again, and the exit code is 1. The report counts documents, refusals by code and the slowest reading.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
import traceback
from collections import Counter
from datetime import date
from pathlib import Path

from tests.contracts.mutations import damage, disturb
from tillgate_contracts.compare import ComparisonPolicy, compare
from tillgate_contracts.errors import ContractError
from tillgate_contracts.lint import lint
from tillgate_contracts.reading import Document, ReadingLimits, read

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("TILLGATE_SHARED", ROOT.parent / "shared"))
LARGEST = 120_000  # bytes of a seed file: small enough for many rounds


def seeds() -> dict[str, bytes]:
    """The documents that are damaged: those of the tests, and the smaller real ones where they are at hand."""
    from tests.contracts import test_hostile

    found = {f"test-{number}": data for number, data in enumerate(test_hostile.SEEDS)}
    for path in sorted((SHARED / "data" / "specs").rglob("*")):
        if path.is_file() and path.suffix != ".md" and path.stat().st_size <= LARGEST:
            found[path.name] = path.read_bytes()
    return found


def one(data: bytes, base: Document | None) -> str:
    """Read, look, lint and compare one document. The outcome is `read` or the refusal's code."""
    try:
        document = read(data, limits=ReadingLimits(seconds=10.0))
    except ContractError as error:
        json.dumps(error.data)
        return error.code
    for operation in document.operations:
        document.pointer_line(operation.pointer)
    _ = (
        document.title,
        document.schemas,
        document.fields,
        document.servers,
        document.security_schemes,
        document.schema_digests,
    )
    for finding in lint(document, tier=0, layer="experience", data_class="cardholder").findings[:20]:
        document.origin(finding.pointer)
    if base is not None:
        try:
            compare(base, document, policy=ComparisonPolicy(), as_of=date(2026, 1, 1))
        except ContractError as error:
            return error.code
    return "read"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=20.0, help="seconds of CPU that one document may take")
    arguments = parser.parse_args()
    documents = seeds()
    bases: dict[str, Document] = {}
    for name, data in documents.items():
        bases[name] = read(data)
    names = sorted(documents)
    outcomes: Counter[str] = Counter()
    slowest, failures, number = (0.0, ""), 0, 0
    end = time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        number += 1
        key = f"{arguments.seed}:{number}"
        chance = random.Random(key)
        name = chance.choice(names)
        if chance.random() < 0.5 and not bases[name].format.startswith("edmx"):
            data = json.dumps(disturb(bases[name].source, chance)).encode()
        else:
            data = damage(documents[name], chance)
        started = time.process_time()
        try:
            outcomes[one(data, bases[name])] += 1
        except Exception:
            failures += 1
            print(f"--- {key} ({name})\n{traceback.format_exc(limit=-6)}", flush=True)
            if failures >= 20:
                break
        seconds = time.process_time() - started
        if seconds > slowest[0]:
            slowest = (seconds, f"{key} ({name})")
        if seconds > arguments.limit:
            failures += 1
            print(f"--- {key} ({name}) took {seconds:.1f} s", flush=True)
    print(
        f"{number} documents from {len(names)} seeds, {failures} failures, slowest {slowest[0]:.2f} s of CPU: "
        f"{slowest[1]}"
    )
    for code, count in outcomes.most_common():
        print(f"{count:8d} {code}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
