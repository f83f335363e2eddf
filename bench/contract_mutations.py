"""Real contracts with one random edit each: types, required names, values, branches, tags, references, inheritance.

    python -m bench.contract_mutations [--edits 500] [--seed 1] [--shared DIR] [FILE …]

Without files, the newest contracts of Adyen, Klaviyo, Talon.One and Oracle in the shared data. An edit whose verdict is
`none` passed unseen: it is printed with its place, and the exit code is 1. The report counts verdicts by kind of edit.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

from bench.contract_accuracy import shared_root
from tests.contracts.contract_documents import TODAY
from tests.contracts.random_mutations import is_sharp, random_edits
from tillgate_contracts.compare import compare
from tillgate_contracts.reading import Document, read_file

FILES = (
    "adyen/checkout-v72.json",
    "adyen/transfer-v4.json",
    "klaviyo/stable-2023-10-15.json",
    "talon-one/openapi-v25.17.0.yaml",
    "oracle-fusion/erpintegrations.yaml",
    "oracle-fusion/ess-scheduler.yaml",
)
VERDICTS = ("breaking", "warning", "compatible", "none")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--edits", type=int, default=500, help="edits of each file")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--shared")
    options = parser.parse_args()
    files = options.files or [shared_root(options.shared) / "data/specs" / name for name in FILES]
    unseen = 0
    kinds: dict[str, Counter[str]] = {}
    for path in files:
        started = time.process_time()
        tree = read_file(path).tree
        base = Document.from_value(tree)
        counts: Counter[str] = Counter()
        for edit in random_edits(tree, random.Random(f"{options.seed} {path.name}"), options.edits):
            verdict = compare(base, Document.from_value(edit.tree), as_of=TODAY).verdict
            counts[verdict] += 1
            kinds.setdefault(edit.kind, Counter())[verdict] += 1
            if verdict == "none" or (verdict == "compatible" and is_sharp(edit)):
                unseen += verdict == "none"
                print(f"--- {verdict}: {path.name} {edit.kind}: /{'/'.join(map(str, edit.place))}", flush=True)
        shown = ", ".join(f"{counts[word]} {word}" for word in VERDICTS)
        seconds = time.process_time() - started
        print(
            f"{path.parent.name}/{path.name}: {sum(counts.values())} edits: {shown}; {seconds:.0f} s of CPU", flush=True
        )
    for kind, counts in sorted(kinds.items()):
        print(f"{kind:40}" + "".join(f"{counts[word]:6} {word}" for word in VERDICTS))
    print(f"{unseen} edits passed unseen")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
