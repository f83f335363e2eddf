"""P4: one price change to 600 stores.

Time until it is durable for all, time until every store's target has it, and what a claim costs.

python -m bench.fanout [--stores 600]
"""

from __future__ import annotations

import argparse
import time
from statistics import median

from bench.installation import Installation


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stores", type=int, default=600)
    given = parser.parse_args()
    with Installation() as installed, installed.connect() as conn:
        from runtime.ledger import vendor_target
        from runtime.ledger.append import append
        from runtime.ledger.claimed import ClaimScope
        from runtime.ledger.claims import claim
        from runtime.ledger.mappers import Mapper
        from runtime.ledger.vendor_target import MappedVendor
        from tests.runtime.make import FakeVendor, Flow

        flow, vendor = Flow(conn, lanes=4), FakeVendor()
        stores = tuple(flow.subscribe(f"store-{number}") for number in range(given.stores))
        conn.execute("vacuum analyze")
        scope, stream = ClaimScope(only=None), flow.ref
        durable, claims, rounds = [], [], []
        for change in range(5):
            began = time.perf_counter()
            append(conn, stream, [flow.item("article-1", change)])
            durable.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            while True:
                at = time.perf_counter()
                taken = claim(conn, owner="bench", scope=scope)
                claims.append((time.perf_counter() - at) * 1000)
                if taken is None:
                    break
                vendor_target.deliver(
                    conn, taken, lambda release: MappedVendor(Mapper(lambda message: message.document), vendor)
                )
            rounds.append((time.perf_counter() - began) * 1000)
        if len(vendor.journal) != len(stores) * 5:
            raise SystemExit(f"{len(vendor.journal)} effects instead of {len(stores) * 5}")
        print(
            f"durable for {given.stores} stores: median {median(durable):.1f} ms; claim median {median(claims):.2f} "
            f"ms; all delivered by one worker: {median(rounds):.0f} ms"
        )


if __name__ == "__main__":
    main()
