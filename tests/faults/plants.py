"""Known bugs, put in from outside: a campaign that does not find each of them proves nothing.

`SIMULATED` gives, per plant, the attributes of the ledger that are replaced while a simulated world runs; plants that live inside a
statement are switched in `model.py` by the same name.
"""

from __future__ import annotations

from typing import Any

from runtime.ledger import database_target, exchange, parking, vendor_target
from runtime.ledger.claims import step
from runtime.ledger.faultpoints import hit as _hit

WHAT = {
    "token": "the token is not checked at completion: a paused owner goes on beside its heir",
    "outside": "the position moves in one transaction and the effect follows in another",
    "sequence": "positions come from a counter without a lock held to commit, and readers take 'id > last'",
    "early": "the answer leaves before the commit",
    "gate": "the gate is looked at when a release is deployed, and not when work is taken",
    "noask": "an unknown outcome is sent again without asking",
    "overtake": "later messages overtake one that is parked under the same key",
    "intent": "the intent is not stored before the call",
}


def _no_ask(self: exchange.Exchange, items: list[Any]) -> list[Any]:
    return items


def _no_one_waits(messages: Any, waiting: set[str]) -> tuple[list[Any], list[Any]]:
    return list(messages), []


def _outside(conn: Any, taken: Any, table: Any, mapper: Any, messages: Any, stops: Any) -> None:
    """`database_target._apply` with the step committed before the effect."""
    go, waiting = parking.split(messages, database_target.parked_keys(conn, taken, messages) | {stop.key for stop in stops})
    waiting = [m for m in waiting if m.position not in {stop.position for stop in stops}]
    mapped, refused, skipped = parking.map_messages(go, mapper)
    rows = {message.key: (message.position, values) for message, values in mapped}
    step(
        conn,
        taken,
        messages[-1].position,
        proof=database_target.Proof(messages[0].position, messages[-1].position, "applied", len(rows)),
    )
    database_target.hit("database.after_step")
    with conn.transaction():
        database_target.upsert(conn, table, list(rows.values()))
        parking.park(conn, taken, [*stops, *refused, *parking.behind(waiting)])
    assert _hit
    del skipped


SIMULATED: dict[str, list[tuple[Any, str, Any]]] = {
    "token": [],
    "outside": [(database_target, "_apply", _outside)],
    "sequence": [],
    "early": [],
    "gate": [],
    "noask": [(exchange.Exchange, "_ask", _no_ask)],
    "overtake": [(vendor_target, "split", _no_one_waits), (database_target, "split", _no_one_waits)],
    "intent": [],
}
