"""P1: a store that reconnects sends again what was stored: what a duplicate costs beside a new fact.

    python -m bench.duplicates [--sales 50000] [--batch 500]

Through the service behind the intake API, without HTTP: new facts, the same bytes again, and the same facts in another
spelling (members in another order), which are compared value by value. CPU of this process and of PostgreSQL.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from bench.installation import Installation
from bench.measure import cpu
from bench.order_server import order


class Facts(Installation):
    """The order feed, with orders as facts that are handed in."""

    def manifest(self) -> dict[str, Any]:
        return super().manifest() | {"event": {"name": "order.placed", "meaning": "fact", "key": "/number"}}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sales", type=int, default=50_000)
    options.add_argument("--batch", type=int, default=500)
    given = options.parse_args()
    with Facts(source=False) as installed:
        sales = [order(number) for number in range(given.sales)]
        spelled = [dict(reversed(sale.items())) for sale in sales]
        base = 0.0
        for name, items, status in (
            ("new", sales, "accepted"),
            ("the same again", sales, "duplicate"),
            ("in another spelling", spelled, "duplicate"),
        ):
            cost = send(installed, items, given.batch, status)
            base = base or cost
            print(f"{name:<20} {cost:6.1f} µs of CPU each, {cost / base:.2f} of a new one", flush=True)


def send(installed: Installation, items: list[dict[str, Any]], batch: int, status: str) -> float:

    from runtime.services import intake

    roots = [os.getpid(), installed.postgres_pid]
    spent, began, wrong = cpu(roots), time.perf_counter(), 0
    for start in range(0, len(items), batch):
        receipts = intake.accept("order-feed", "production", items[start : start + batch])
        wrong += sum(one.status != status for one in receipts)
    if wrong:
        raise SystemExit(f"{wrong} of {len(items)} are not {status}")
    took = time.perf_counter() - began
    print(f"{len(items):,} in {took:.1f} s", end="  ")
    return (cpu(roots) - spent) / len(items) * 1e6


if __name__ == "__main__":
    main()
