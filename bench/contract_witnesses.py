"""The proof by witnesses for the positions of OpenAPI: pairs of documents, and values that may speak against a verdict.

    python -m bench.contract_witnesses [--pairs 50000] [--values 30] [--seed 1] [--model strict|tolerant]

Each pair is a position (a body, a parameter, a header, a form) with unions, discriminators, parents and children,
compositions, null in the words of 3.0 and 3.1, and media types. Values are made for both sides and judged by
jsonschema-rs on the position's effective schema. A value that one side sends and the other refuses, though the verdict
is `none` or `compatible`, is printed with the seed that makes it again, and the exit code is 1. Without --model both
content models are tried; in the tolerant one nobody sends properties that the schema does not name.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter

from tests.contracts.position_proof import prove

MODELS = ("strict", "tolerant")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=50_000)
    parser.add_argument("--values", type=int, default=30, help="values that are tried for each pair")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--model", choices=MODELS)
    options = parser.parse_args()
    found = 0
    for model in [options.model] if options.model else MODELS:
        started = time.process_time()
        counts: Counter[str] = Counter()
        for number in range(options.pairs):
            seed = f"{options.seed}:{number}"
            outcome = prove(seed, model, options.values)
            counts[outcome.verdict] += 1
            counts["undecided"] += outcome.undecided
            counts["refused"] += outcome.hurt
            if outcome.witness is not None:
                found += 1
                sides = json.dumps([outcome.pair.position, outcome.pair.old, outcome.pair.new])
                print(
                    f"--- {seed} {model}: {outcome.verdict}, against {json.dumps(outcome.witness)}\n{sides}", flush=True
                )
        seconds = time.process_time() - started
        verdicts = ", ".join(f"{counts[word]:,} {word}" for word in ("none", "compatible", "warning", "breaking"))
        share = counts["undecided"] / max(options.pairs, 1)
        print(
            f"{model}: {options.pairs:,} pairs ({verdicts}), {counts['refused']:,} with a value that one side sends "
            f"and the other refuses; not decided {share:.1%}; {seconds:.0f} s of CPU"
        )
    print(f"{found} values against a verdict")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
