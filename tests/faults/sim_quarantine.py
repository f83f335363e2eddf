"""What the statements about parked messages do to the modelled database."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from runtime.ledger import leases, quarantine, quarantine_claims, quarantine_retry
from tests.faults.sim_claims import hindsight, lease_is_over, original_of, serves
from tests.faults.sim_database import GONE, Database, GateClosed, Key, Row, Transaction, statement

NOT_ARRIVED: Row = {
    "state": "retry",
    "not_before": 0.0,
    "attempt": 0,
    "rounds": 0,
    "first_sent_at": None,
    "sent_at": None,
    "accepted_as": "",
    "not_arrived": True,
}
"""What a person's word makes of a message whose outcome was unknown."""


@statement(quarantine._INSERT)
def _park(db: Database, tx: Transaction, given: Any) -> int:
    subscription, lane, position, key, state, reason_class, _print, reason, delay, intent_release, *more = given
    rounds, accepted_as, first_sent_ago, sent_ago = more
    place = (subscription, lane, position)
    if db.get(tx, "parked", place) is not None:
        return 0
    db.put(
        tx,
        "parked",
        place,
        {
            "key": key,
            "state": state,
            "reason_class": reason_class,
            "reason": reason,
            "attempt": 0,
            "not_before": db.now() + delay,
            "token": 0,
            "lease_until": 0.0,
            "ask_only": False,
            "intent_release": intent_release,
            "payload": None,
            "rounds": rounds,
            "accepted_as": accepted_as,
            "first_seen_at": db.now(),
            "first_sent_at": None if first_sent_ago is None else tx.began - first_sent_ago,
            "sent_at": None if sent_ago is None else db.now() - sent_ago,
        },
    )
    return 1


def _take_parked(db: Database, tx: Transaction, given: Row, *, to_ask: bool) -> list[Row]:
    now = db.now()
    due = []
    everything = list(db.scan(tx, "parked"))
    for place, q in everything:
        subscription = place[0]
        s = db.get(tx, "subscription", (subscription,))
        if s is None or not serves(s, subscription, given) or q["not_before"] >= now:
            continue
        if not lease_is_over(q["lease_until"], now, given["clock"]):
            continue
        v = db.get(tx, "vendor", (s["vendor"],))
        d = db.get(tx, "deployment", (s["deployment"],))
        assert v
        assert d
        if to_ask:
            if (
                q["state"] != "sending"
                or q["intent_release"] is None
                or s["kind"] != "vendor"
                or v["breaker"] != "closed"
                or v["not_before"] > now
                or db.permitted(tx, subscription) is not None
            ):
                continue
        else:
            if q["state"] not in ("retry", "behind", "sending") or (q["state"] == "behind" and q.get("asleep")):
                continue
            if db.gate(tx, subscription) is None:
                continue
            if db.get(tx, "parked", (s.get("after"), *place[1:])) is not None:
                continue
        if any(
            e is not q and other[0] == subscription and e["key"] == q["key"] and other[2] < place[2]
            for other, e in everything
        ):
            continue
        due.append(
            (s["tier"], q["not_before"], place[2], place, d, v["breaker"] != "closed" or v["concurrency"] is not None)
        )
    for _, _, _, place, d, limited in sorted(due, key=lambda found: found[:3]):
        if not db.lock(tx, "parked", place, skip=True):
            continue
        old = db.get(tx, "parked", place)
        s = db.get(tx, "subscription", (place[0],))
        if old is None or s is None:
            continue
        began = tx.actor.world.now
        tx.actor.conn.pass_time()
        if not to_ask and "gate" not in db.plants and db.gate(tx, place[0]) is None:
            raise GateClosed(f"gate closed for subscription {place[0]}")
        q = dict(old)
        was = q["state"]
        lost = q["lease_until"] > 0.0
        if lost and not q["ask_only"]:
            q["sent_at"] = max(q["sent_at"] or 0.0, q["lease_until"])
        elif was == "sending" and q["sent_at"] is None:
            q["sent_at"] = q["first_seen_at"]
        first_sent_at = q["first_sent_at"]
        if was == "sending" and first_sent_at is None:
            first_sent_at = q["first_seen_at"]
        v = db.get(tx, "vendor", (s["vendor"],))
        assert v
        q["token"] += 1
        q["attempt"] += 1
        lease = max(given["lease"], leases.MOST_CALLS * s["deadline"])
        q["lease_until"], q["ask_only"], q["state"] = db.now() + lease, to_ask, "sending"
        q["intent_release"] = (
            q["intent_release"] if was == "sending" and q["intent_release"] is not None else d["release"]
        )
        tx.writes["parked", place] = q
        tx.actor.grant(db, tx, place[0], d["release"], to_ask=to_ask, at=began)
        stream = db.get(tx, "stream", (s["stream"],))
        assert stream
        return [
            {
                "subscription": place[0],
                "lane": place[1],
                "position": place[2],
                "key": q["key"],
                "token": q["token"],
                "attempt": q["attempt"],
                "intent_release": q["intent_release"],
                "database_time": db.now(),
                "payload": q["payload"],
                "reason_class": q["reason_class"],
                "previous_state": was,
                "stream": s["stream"],
                "stream_salt": stream["salt"],
                "facts": db.facts,
                "target": s["target"],
                "instance": s["instance"],
                "kind": s["kind"],
                "idempotency": s["idempotency"],
                "coalesce": s["coalesce"],
                "batch": s["batch"],
                "max_attempts": s["max_attempts"],
                "pace": s["pace"],
                "settle": s["settle"],
                "key_kept": s["key_kept"] if s["idempotency"] == "K" else None,
                "deadline": s["deadline"],
                "lost": lost,
                "rounds": q["rounds"],
                "accepted_as": q["accepted_as"],
                "first_sent_ago": None if first_sent_at is None else db.now() - first_sent_at,
                "sent_ago": None if q["sent_at"] is None else db.now() - q["sent_at"] + hindsight(db, tx),
                "vendor_works": v["breaker"] == "closed"
                and v["failures"] == 0
                and (v["success"] or 0.0) > q["first_seen_at"],
                "vendor": s["vendor"],
                "release": d["release"],
                "deployment": d["id"],
                "original_subscription": original_of(db, place[0], s),
                "key_epochs": db.key_epochs(s["stream"], place[1]),
                "ask_until": (db.get(tx, "progress", place[:2]) or {}).get("ask_until"),
                "fresh_key": 0,
                "at_fault": False,
                "after": s.get("after"),
                "not_arrived": q.get("not_arrived", False),
                "limited": limited,
                "metered": False,
            }
        ]
    return []


@statement(quarantine_claims._CLAIM)
def _claim_parked(db: Database, tx: Transaction, given: Row) -> list[Row]:
    return _take_parked(db, tx, given, to_ask=False)


@statement(quarantine_claims._CLAIM_TO_ASK)
def _claim_parked_to_ask(db: Database, tx: Transaction, given: Row) -> list[Row]:
    return _take_parked(db, tx, given, to_ask=True)


@statement(quarantine_claims._SLEEP)
def _sleep(db: Database, tx: Transaction, given: Any) -> int:
    """What is seen in the first step may be woken before the second one locks it; nothing falls asleep behind a message
    that is just leaving."""
    now, everything = db.now(), list(db.scan(tx, "parked"))
    seen = []
    for place, q in everything:
        if q["state"] != "behind" or q.get("asleep") or q["not_before"] >= now:
            continue
        s = db.get(tx, "subscription", (place[0],)) or {}
        before = [at for at, e in everything if at[0] == place[0] and e["key"] == q["key"] and at[2] < place[2]]
        if not before and db.get(tx, "parked", (s.get("after"), *place[1:])) is not None:
            before = [(s["after"], *place[1:])]
        if before:
            seen.append((place, q["not_before"], min(before, key=itemgetter(2))))
    count = 0
    tx.actor.conn.pass_time()
    for place, not_before, before in seen[: given[0]]:
        if not db.lock(tx, "parked", place, skip=True):
            continue
        if "leaving" not in db.plants and (db.leaves("parked", before) or db.get(tx, "parked", before) is None):
            continue
        q = db.get(tx, "parked", place)
        moved = q is not None and q["not_before"] != not_before
        if q is None or q["state"] != "behind" or q.get("asleep") or moved:
            continue
        tx.writes["parked", place] = q | {"asleep": True}
        count += 1
    return count


def wake_next(parked: dict[Key, Row], subscription: int, key: str, now: float) -> None:
    """The same where a person decides, outside of the modelled transactions."""
    waiting = [at for at, q in parked.items() if (at[0], q["key"], q["state"]) == (subscription, key, "behind")]
    if left := sorted(waiting, key=itemgetter(2)):
        q = parked[left[0]]
        parked[left[0]] = q | {"asleep": False, "not_before": max(q["not_before"], now)}


def wake_followers(db: Database, tx: Transaction, gone: Key, key: str) -> None:
    """What the trigger does when a message leaves the quarantine."""
    subscription, *place = gone
    waiting = [at for at, q in db.scan(tx, "parked") if (at[0], q["key"], q["state"]) == (subscription, key, "behind")]
    wakes = sorted(waiting, key=itemgetter(2))[:1]
    for (other,), s in db.scan(tx, "subscription"):
        if s.get("after") == subscription and db.get(tx, "parked", (other, *place)) is not None:
            wakes.append((other, *place))
    for at in wakes:
        if (db.get(tx, "parked", at) or {}).get("state") != "behind":
            continue
        db.lock(tx, "parked", at)
        q = db.get(tx, "parked", at)
        if q is not None and q["state"] == "behind":
            tx.writes["parked", at] = q | {"asleep": False, "not_before": max(q["not_before"], db.now())}


@statement(r"delete from runtime_quarantine where subscription_id = %s and lane = %s and position = %s and token = %s$")
def _remove_parked(db: Database, tx: Transaction, given: Any) -> int:
    *place, token = given
    key = tuple(place)
    db.lock(tx, "parked", key)
    q = db.get(tx, "parked", key)
    if q is None or (q["token"] != token and "token" not in db.plants):
        return 0
    tx.writes["parked", key] = GONE
    if "unwoken" not in db.plants:
        wake_followers(db, tx, key, q["key"])
    return 1


@statement(quarantine_retry._KEEP)
def _keep_parked(db: Database, tx: Transaction, given: Any) -> int:
    state, reason_class, _print, reason, delay, intent_release, not_own, *more = given
    rounds, accepted_as, _, first_sent_ago, sent_ago, subscription, lane, position, token = more
    key = (subscription, lane, position)
    db.lock(tx, "parked", key)
    old = db.get(tx, "parked", key)
    if old is None or (old["token"] != token and "token" not in db.plants):
        return 0
    first_sent_at = None if first_sent_ago is None else min(old["first_sent_at"] or tx.began, tx.began - first_sent_ago)
    tx.writes["parked", key] = old | {
        "state": state,
        "reason_class": reason_class,
        "reason": reason,
        "lease_until": 0.0,
        "ask_only": False,
        "not_before": db.now() + delay,
        "intent_release": intent_release,
        "attempt": old["attempt"] - not_own,
        "rounds": rounds,
        "accepted_as": accepted_as,
        "first_sent_at": first_sent_at,
        "sent_at": None if sent_ago is None else db.now() - sent_ago,
    }
    return 1


@statement(r"insert into runtime_attempt ")
def _note(db: Database, tx: Transaction, given: Any) -> int:
    subscription, lane, first, last, token, release, outcome, detail, _reference, _answer = given
    tx.appended.append(
        (
            "attempt",
            {
                "subscription": subscription,
                "lane": lane,
                "first": first,
                "last": last,
                "token": token,
                "release": release,
                "outcome": outcome,
                "detail": detail,
            },
        )
    )
    return 1


@statement(quarantine_retry._RELEASE_AFTER_FAILURE)
def _hand_back(db: Database, tx: Transaction, given: Any) -> int:
    state, _, uncounted, reason, wait, not_own, subscription, lane, position, token = given
    key = (subscription, lane, position)
    db.lock(tx, "parked", key)
    old = db.get(tx, "parked", key)
    if old is None or (old["token"] != token and "token" not in db.plants):
        return 0
    state = state or old["state"]
    tx.writes["parked", key] = old | {
        "state": state,
        "intent_release": old["intent_release"] if state == "sending" else None,
        "reason": reason,
        "sent_at": old["sent_at"] if uncounted else db.now(),
        "lease_until": 0.0,
        "not_before": db.now() + wait,
        "attempt": old["attempt"] - not_own,
    }
    return 1
