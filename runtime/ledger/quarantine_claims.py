"""The claim of one quarantined message: the first of its key, under a lease and token of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass

from psycopg.errors import InsufficientPrivilege
from psycopg.rows import dict_row

from runtime.domain.recovery import QUESTION_AT_FAULT
from runtime.ledger import clock_steps, sql
from runtime.ledger.claimed import EVERYTHING, Claim, ClaimScope, Lease, ago, first_ago, limits_of, target_of
from runtime.ledger.claims import ClaimAbandoned, VendorHeld, admit, gate_closed, hold_others, spend, without
from runtime.ledger.connections import Connection
from runtime.ledger.leases import LEASE_SECONDS, MOST_CALLS

WAITS_FOR_VENDOR = ("accepted", "unsettled", "unanswered", "not_now", QUESTION_AT_FAULT)
"""Reason classes of messages that no worker has ended over: their vendor has not decided, or not answered."""


@dataclass(slots=True)
class QuarantineClaim(Claim):
    """The right to try one quarantined message. `payload` replaces the logged one after a person's edit;
    `previous_state` and `reason_class` say how it came to be there, `lost` that its last owner has not ended its try,
    `accepted_as` under which name the vendor has taken it.
    `not_arrived`: a person has said so; it is sent without a question about what was before."""

    key: str = ""
    previous_state: str = "retry"
    reason_class: str = ""
    payload: bytes | None = None
    lost: bool = False
    accepted_as: str = ""
    claimed_at: float = 0.0
    not_arrived: bool = False

    def asks_first(self, position: int) -> bool:
        if self.not_arrived:
            return False
        return self.lost_key(position) or Claim.asks_first(self, position)

    def lost_key(self, position: int) -> bool:
        """Also where a redrive gave it a fresh key: the vendor may know it by one before that."""
        if self.not_arrived:
            return False
        return self.fresh_key > 0 or Claim.lost_key(self, position)

    @property
    def poison_suspect(self) -> bool:
        """Its last owner, or that of its batch, has ended over it, or has not said what became of it."""
        in_doubt = self.lost or self.reason_class not in WAITS_FOR_VENDOR
        return (self.previous_state == "sending" and in_doubt) or self.reason_class == "poison"

    @property
    def may_have_been_sent(self) -> bool:
        return self.previous_state == "sending"

    @property
    def sent_by_another_release(self) -> bool:
        return self.intent_release not in (None, self.target.release)


_PARTS = {
    "claim_scope": sql.CLAIM_SCOPE,
    "places": sql.read("quarantine_places"),
    "pace_allows": sql.read("quarantine_pace"),
    "probe_is_free": sql.probe_is_free("s.id"),
    "lease_is_over": sql.lease_is_over("w.lease_until"),
}


def _statement(name: str, of_which: str, *, ask_only: bool) -> str:
    returning, word = sql.CLAIM_RETURNING, str(ask_only).lower()
    take = sql.read("claim_quarantined_take", claim_returning=returning, calls=str(MOST_CALLS), ask_only=word)
    first = sql.read("quarantine_first_of_key")
    of_them = sql.read(
        "claim_quarantined_from",
        claim_columns=sql.CLAIM_COLUMNS,
        of_which=sql.read(of_which),
        first_of_its_key=first,
        lease_is_over=sql.lease_is_over("o.lease_until"),
    )
    return sql.read(name, take=take, message_and_target=of_them, **_PARTS)


_CLAIM = _statement("claim_quarantined", "quarantine_after", ask_only=False)
_CLAIM_TO_ASK = _statement("claim_quarantined_to_ask", "quarantine_asks", ask_only=True)
_SLEEP = sql.read("quarantine_sleep")
MOST_TO_SLEEP = 2_000  # in one transaction
# A quarantined message takes its turn in the pace of its lane, and its part of the vendor's quota.
_TAKE_TURN = """
update runtime_progress
set not_before = clock_timestamp() + make_interval(secs => 1 / %s::float8)
where subscription_id = %s and lane = %s and not_before < clock_timestamp()"""


def claim_quarantined(
    conn: Connection, *, scope: ClaimScope = EVERYTHING, to_ask: bool = False, lease: float = LEASE_SECONDS
) -> QuarantineClaim | None:
    """The quarantined message that has been due longest and has none of its key before it."""
    held: list[int] = []
    while True:
        try:
            return _claim_once(conn, without(conn, scope, held), to_ask=to_ask, lease=lease)
        except VendorHeld as busy:
            held.append(busy.vendor)


def _claim_once(conn: Connection, scope: ClaimScope, *, to_ask: bool, lease: float) -> QuarantineClaim | None:
    """Raises VendorHeld."""
    try:
        with conn.transaction():
            taken, limited = _take(conn, {"lease": lease} | scope.arguments(), to_ask=to_ask, lease=lease)
            if taken is None:
                return None
            if limited and not to_ask:
                admit(conn, taken, lease, quarantined=True)
            if not to_ask:
                hold_others(conn, taken, lease)
                _keep_pace(conn, taken)
    except VendorHeld:
        raise
    except ClaimAbandoned:
        return None
    except InsufficientPrivilege as error:
        if not gate_closed(error):
            raise
        return None  # the guard saw the gate close while the claim was under way
    return taken


def let_sleep(conn: Connection, most: int = MOST_TO_SLEEP) -> int:
    """Let messages sleep that wait behind another one, `most` at a time; one that leaves the quarantine wakes the next.
    Nothing is lost where nobody calls this: it keeps the claims short."""
    return int(conn.execute(_SLEEP, (most,)).rowcount)


def _take(
    conn: Connection, arguments: dict[str, object], *, to_ask: bool, lease: float
) -> tuple[QuarantineClaim | None, bool]:
    started = time.monotonic()
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_CLAIM_TO_ASK if to_ask else _CLAIM, arguments).fetchone()
    if row is None:
        return None, False
    answered = time.monotonic()
    clock_steps.watch.noted(row["database_time"], answered - started)
    taken = QuarantineClaim(
        row["subscription"],
        row["lane"],
        row["position"],
        upto=None,
        intent=None,
        intent_release=row["intent_release"],
        lease=Lease(row["token"], row["attempt"], started + max(lease, MOST_CALLS * row["deadline"]), ask_only=to_ask),
        target=target_of(row),
        limits=limits_of(row),
        ask_until=row["ask_until"],
        fresh_key=row["fresh_key"],
        key=row["key"],
        previous_state=row["previous_state"],
        reason_class=row["reason_class"],
        payload=row["payload"],
        not_arrived=row["not_arrived"],
        first_sent=first_ago(started, row["first_sent_ago"]),
        last_sent=ago(answered, clock_steps.watch.at_least_ago(row["sent_ago"])),
        rounds=row["rounds"],
        lost=row["lost"],
        accepted_as=row["accepted_as"],
        vendor_works=row["vendor_works"],
        claimed_at=started,
    )
    return taken, row["limited"]


def _keep_pace(conn: Connection, taken: QuarantineClaim) -> None:
    """Inside the claim's transaction. Raises ClaimAbandoned when it is not this lane's turn, or nothing of the quota is
    left."""
    pace = taken.limits.pace
    if pace is not None and conn.execute(_TAKE_TURN, (pace, taken.subscription, taken.lane)).rowcount != 1:
        raise ClaimAbandoned
    if taken.limits.metered and taken.target.kind == "vendor" and not spend(conn, taken.target.vendor, 1):
        raise ClaimAbandoned
