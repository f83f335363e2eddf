"""Worlds whose database goes back: a standby that lagged is promoted, and what was committed since is gone, while the
vendor's journal stays. Facts, whose business reference is key and version.

That a rewind is noticed before anything else is what `tests/runtime/test_rewound_database.py` proves; here it is given,
unless a plant takes it away.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import psycopg

from runtime.connectors.protocols import OutboundMessage
from runtime.ledger import rewind
from runtime.ledger.append import Appended, IncomingMessage
from runtime.ledger.leases import LEASE_SECONDS, longest_lease
from runtime.ledger.vendor_client import SendResult
from tests.faults.sim_actors import Actor
from tests.faults.sim_shapes import NEVER, VENDOR, Shape
from tests.faults.sim_vendor_server import VendorServer
from tests.faults.world import World


def rewound_shape(seed: int) -> Shape:
    """What a seed makes of such a world: no decisions of people, which would go back too."""
    r, nobody = random.Random(f"rewound {seed}"), frozenset[Any]()
    kind = r.choices("KLNU", (6, 3, 2, 1))[0]
    shape = replace(
        Shape.of(seed), decisions=0, queues=False, coalesce=False, intakes=r.randint(1, 2), idempotency=kind
    )
    asks = kind == "L" or (kind in "KN" and r.random() < 0.5)
    shape = replace(shape, asks=asks, honours=kind in "KN", references=r.random() < 0.7, key_kept=NEVER)
    shape = replace(shape, overwrites=False)
    return replace(shape, killers=nobody, declined=nobody, stubborn=nobody, messages=r.randint(8, 16))


class VendorThatRemembers(VendorServer):
    """Its natural key is of the business, so it does not change with the product's database."""

    def act(self, actor: Actor, item: OutboundMessage, release: int, *, late: bool, on_time: bool = True) -> SendResult:
        if self.world.shape.idempotency == "N" and (item.key, item.document["v"]) in self.acted:
            self.absorbed += 1
            return SendResult("confirmed", "again")
        return super().act(actor, item, release, late=late, on_time=on_time)


class RewoundWorld(World):
    """A world with one or two rewinds."""

    def _build(self) -> None:
        self.vendor = self.make_vendor()
        self.database.facts = True
        super()._build()
        self.spawn("standby", self._go_back)

    def make_vendor(self) -> VendorServer:
        return VendorThatRemembers(self)

    def _go_back(self, actor: Actor) -> None:
        """The standby receives what is committed, lags for a while, and is promoted."""
        for _ in range(self.random.choice((1, 1, 2))):
            actor.sleep(self.random.uniform(0.0, LEASE_SECONDS))
            rows, logs = self._kept(), {name: list(log) for name, log in self.database.logs.items()}
            actor.sleep(self.random.uniform(0.2, LEASE_SECONDS * 1.5))
            for other in self.actors:
                if other is not actor:
                    other.conn.lose("the database system is shut down")
                    other.waits_for = None
            self.database.held.clear()
            lost = len(self.database.rows["message"]) - len(rows["message"])
            self.database.rows, self.database.logs = rows, logs
            self.counts["rewinds"] += 1
            self.era += 1
            self.counts["messages lost by a rewind"] += lost
            self._notice()
            self._send_again()

    def _kept(self) -> dict[str, dict[Any, dict[str, Any]]]:
        return {name: {key: dict(row) for key, row in table.items()} for name, table in self.database.rows.items()}

    def _notice(self) -> None:
        """What `runtime.ledger.rewind` does at the first connection."""
        if "unnoticed" in self.plants:
            return
        rows = self.database.rows
        salt = self.random.getrandbits(63)
        for (stream, lane), counter in rows["lane"].items() if "rekeyed" not in self.plants else ():
            self.database.epochs.setdefault((stream, lane), []).append([counter["next"], salt])
        for (subscription, _), p in rows["progress"].items():
            if subscription == VENDOR:
                p["ask_until"] = rewind.ENDLESS
        v = rows["vendor"][VENDOR,]
        longest = self.shape.deadline if "short_pause" in self.plants else longest_lease(self.shape.deadline)
        v["not_before"] = max(v["not_before"], self.now + longest + self.shape.settle)

    def append(self, actor: Actor, items: list[IncomingMessage], **more: Any) -> Appended:
        """An answer that was under way while the database went back speaks of a commit that is gone, like those before
        it: what is missing is sent again."""
        before = self.era
        done = super().append(actor, items, **more)
        if self.era != before:
            self.counts["answered after a rewind"] += 1
            self._take_back()
            raise psycopg.OperationalError("the database went back after this commit")
        return done

    def _take_back(self) -> None:
        logged = {(m["key"], m["version"]) for m in self.database.rows["message"].values()}
        self.acknowledged &= logged

    def _send_again(self) -> None:
        """Tills send what the product no longer has; a source is read from its older cursor."""
        self._take_back()
        at_work = {actor.role for actor in self.actors}
        for role, body in self.producers.items():
            if role not in at_work:
                self.busy_producers += 1
                self.spawn(role, body)
