"""What the statements about a vendor's shared state, and the product's own tables as targets, do to the modelled
database."""

from __future__ import annotations

from typing import Any

from runtime.domain.retry import CIRCUIT_BREAKER, CONNECTION_FAULT
from runtime.ledger import circuit_breaker, safe_probe
from tests.faults.sim_database import Database, Row, Transaction, statement


@statement(circuit_breaker._RECORD_FAILURE)
def _failed(db: Database, tx: Transaction, given: Row) -> int:
    v = db.change(tx, "vendor", (given["vendor"],))
    assert v
    opens, now = v["failures"] + 1 >= given["limit"], db.now()
    again = (opens or v["breaker"] == "open") and (v["breaker"] == "closed" or v["open_until"] <= now)
    if again:
        v["open_until"] = now + CIRCUIT_BREAKER.pause(v["openings"])
        v["openings"] += 1
    if opens:
        v["breaker"] = "open"
    v["failures"] += 1
    v["fault"] = "" if v["fault"] in ("secret", "name") else v["fault"]
    v["not_before"] = max(v["not_before"], now + given["retry_after"])
    v["probe_subscription"], v["probe_lane"], v["probe_until"] = None, None, 0.0
    return 1


@statement(circuit_breaker._RECORD_FAULT)
def _at_fault(db: Database, tx: Transaction, given: Row) -> int:
    v = db.change(tx, "vendor", (given["vendor"],))
    assert v
    now, same = db.now(), v["fault"] == given["kind"]
    if not same or v["breaker"] == "closed" or v["open_until"] <= now:
        v["open_until"] = now + CONNECTION_FAULT.pause(v["openings"] if same else 0)
        v["openings"] = v["openings"] + 1 if same else 1
    v["failures"] += 1
    v["breaker"], v["fault"] = "open", given["kind"]
    v["probe_subscription"], v["probe_lane"], v["probe_until"] = None, None, 0.0
    return 1


@statement(circuit_breaker._RECORD_THROTTLING)
def _throttled(db: Database, tx: Transaction, given: Row) -> int:
    v = db.change(tx, "vendor", (given["vendor"],))
    assert v
    v["not_before"] = max(v["not_before"], db.now() + given["retry_after"])
    v["probe_subscription"], v["probe_lane"], v["probe_until"] = None, None, 0.0
    return 1


@statement(circuit_breaker._RECORD_SUCCESS)
def _works(db: Database, tx: Transaction, given: Any) -> int:
    v = db.get(tx, "vendor", (given["vendor"],))
    assert v
    if v["breaker"] == "closed" and v["failures"] == 0 and v["success"] is not None and v["success"] >= db.now() - 60:
        return 0
    v = db.change(tx, "vendor", (given["vendor"],))
    assert v
    v.update(
        breaker="closed",
        failures=0,
        openings=0,
        fault="",
        probe_subscription=None,
        probe_lane=None,
        probe_until=0.0,
        success=db.now(),
    )
    return 1


@statement(circuit_breaker._RECORD_QUESTION_FAULT)
def _question_at_fault(db: Database, tx: Transaction, given: Row) -> int:
    """It holds nothing back: only people read it."""
    return 1


@statement(circuit_breaker._END_QUESTION_FAULT)
def _question_right(db: Database, tx: Transaction, given: Any) -> int:
    return 0


@statement(safe_probe._UNDECIDED)
def _undecided(db: Database, tx: Transaction, given: Row) -> list[Any]:
    """No simulated connection is at fault."""
    return [(False,)]


@statement(circuit_breaker._END_PROBE)
def _end_probe(db: Database, tx: Transaction, given: Any) -> int:
    vendor, subscription = given
    v = db.change(tx, "vendor", (vendor,))
    if v is None or v["probe_subscription"] != subscription:
        return 0
    v["probe_subscription"], v["probe_lane"], v["probe_until"] = None, None, 0.0
    return 1


# the product's own tables as targets: the effect counts every application, so that a second one shows


@statement(r"sim: apply$")
def _apply(db: Database, tx: Transaction, rows: Any) -> int:
    for subscription, position, values in rows:
        tx.appended.append(("applied", (subscription, position, values)))
    return len(rows)
