"""Mapping a sale of 12 lines (about 1 kB): the compiled mapping beside hand-written Python and jmespath, in CPU
seconds.

    python -m bench.mapping [--rounds 7] [--cases 100000] [--seed 0]

Rounds alternate between the three, so that a noisy machine hits all alike; the median of each and the ratios are
printed. jmespath cannot calculate: its figure is for the selection alone, so it does less. Then the compiled mappings
are compared with the oracle of the tests on generated cases (`--cases 0` leaves that out). Exit code 1 when a case
disagrees.
"""

from __future__ import annotations

import argparse
import sys
import time
from decimal import ROUND_HALF_UP, Decimal
from statistics import median
from typing import Any

import jmespath

from runtime.mapping import compile_mapping, decode, encode, parse
from tests.runtime.mapping.test_oracle import compare

CENT = Decimal("0.01")
KINDS = {"Cash": "CASH", "CreditDebit": "CARD"}
SPEC = {
    "mapping": "sale",
    "version": 1,
    "lookups": {"tender": {"version": 1, "values": KINDS}},
    "fields": [
        {
            "to": "key",
            "formula": "concat(store, '/', till, '/', day, '/', text(sequence))",
            "type": "string",
            "required": True,
        },
        {"to": "correlation", "correlation": True},
        {"to": "storeId", "from": "store", "type": "string", "required": True, "max_length": 8},
        {"to": "businessDate", "from": "day", "type": "date", "required": True},
        {"to": "currency", "from": "currency", "type": "string", "default": "EUR"},
        {"to": "total", "from": "total", "type": "decimal", "scale": 2, "required": True},
        {"to": "payment.kind", "from": "tender.kind", "lookup": "tender", "type": "string", "required": True},
        {
            "to": "lines",
            "from": "lines",
            "required": True,
            "each": [
                {"to": "item", "from": "sku", "type": "string", "required": True},
                {"to": "quantity", "from": "qty", "type": "integer", "required": True},
                {"to": "price", "from": "price", "type": "decimal", "scale": 2, "required": True},
                {
                    "to": "amount",
                    "formula": "round_half_up(qty * price, 2)",
                    "type": "decimal",
                    "scale": 2,
                    "required": True,
                },
            ],
        },
    ],
}
SELECTION = jmespath.compile(
    "{storeId: store, businessDate: day, currency: currency, total: total, payment: {kind: tender.kind}, "
    "lines: lines[].{item: sku, quantity: qty, price: price}}"
)


def sale() -> dict[str, Any]:
    lines = [
        {"sku": f"40012345678{n:02}", "qty": n % 3 + 1, "price": Decimal("4.49") + n, "tax": "A"} for n in range(12)
    ]
    total = sum((line["qty"] * line["price"] for line in lines), Decimal(0))
    return {
        "store": "0042",
        "till": "03",
        "day": "2026-03-05",
        "sequence": 1234,
        "currency": "EUR",
        "total": total,
        "tender": {"kind": "Cash"},
        "lines": lines,
    }


def by_hand(sale: dict[str, Any], correlation: str) -> dict[str, Any]:
    """What a programmer would write for one purpose: the same result, none of the checks."""
    return {
        "key": f"{sale['store']}/{sale['till']}/{sale['day']}/{sale['sequence']}",
        "correlation": correlation,
        "storeId": sale["store"],
        "businessDate": sale["day"],
        "currency": sale.get("currency", "EUR"),
        "total": sale["total"].quantize(CENT),
        "payment": {"kind": KINDS[sale["tender"]["kind"]]},
        "lines": [
            {
                "item": line["sku"],
                "quantity": line["qty"],
                "price": line["price"].quantize(CENT),
                "amount": (line["qty"] * line["price"]).quantize(CENT, ROUND_HALF_UP),
            }
            for line in sale["lines"]
        ],
    }


def rate(work: Any, count: int) -> float:
    """Calls per CPU second of this process."""
    started = time.process_time()
    for _ in range(count):
        work()
    return count / (time.process_time() - started)


def speed(rounds: int) -> None:
    payload = encode(sale())
    document = decode(payload)
    run = compile_mapping(parse(SPEC))
    if run(document, "c") != by_hand(document, "c"):
        sys.exit("the compiled mapping and the hand-written one disagree")
    subjects = {
        "compiled mapping": (lambda: run(document, "c"), 4_000),
        "hand-written Python": (lambda: by_hand(document, "c"), 8_000),
        "jmespath (selection only)": (lambda: SELECTION.search(document), 500),
        "decode + mapping + encode": (lambda: encode(run(decode(payload), "c")), 2_000),
    }
    figures: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, (work, count) in subjects.items():
            figures[name].append(rate(work, count))
    print(
        f"sale of 12 lines, {len(payload)} bytes, {rounds} alternating rounds, documents per CPU second (median, "
        "lowest, highest)"
    )
    for name, found in figures.items():
        print(f"  {name:28} {median(found):>10,.0f} {min(found):>10,.0f} {max(found):>10,.0f}")
    ours, hand, peer = (
        median(figures[n]) for n in ("compiled mapping", "hand-written Python", "jmespath (selection only)")
    )
    print(f"  compiled / hand-written {ours / hand:.2f}, compiled / jmespath {ours / peer:.1f}; goal: 50,000")


def agreement(cases: int, seed: int) -> int:
    """Compares with the oracle on that many documents, ten to a mapping. Gives the number of mappings that disagree."""
    mapped = refused = wrong = 0
    started = time.process_time()
    for number in range(seed, seed + cases // 10):
        try:
            yes, no = compare(number)
            mapped, refused = mapped + yes, refused + no
        except Exception as error:
            wrong += 1
            print(f"  seed {number}: {type(error).__name__}: {str(error)[:300]}")
    took = time.process_time() - started
    print(
        f"oracle: {mapped + refused:,} documents of {cases // 10:,} mappings, {mapped:,} mapped and {refused:,} "
        "refused by both, "
        f"{wrong} disagreements, {took:.0f} CPU seconds"
    )
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    speed(given.rounds)
    return 1 if given.cases and agreement(given.cases, given.seed) else 0


if __name__ == "__main__":
    raise SystemExit(main())
