"""Whether a quarantined message may have arrived as it was before a person edited it."""

from __future__ import annotations

from runtime.ledger.connections import Connection
from runtime.ledger.quarantine_claims import QuarantineClaim

_EDITED = """
select exists (
    select
    from runtime_attempt t
    where t.subscription_id = %s
        and t.lane = %s
        and t.last >= %s
        and t.first <= %s
        and t.outcome = 'edited'
)"""


def since_sent(conn: Connection, taken: QuarantineClaim) -> bool:
    """Asked only of messages that have an edited payload."""
    if taken.payload is None or taken.not_arrived:
        return False
    position = taken.position
    row = conn.execute(_EDITED, (taken.subscription, taken.lane, position, position)).fetchone()
    return bool(row and row[0])
