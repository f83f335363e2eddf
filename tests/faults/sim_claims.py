"""What claim, step, release and the reading of the log do to the modelled database."""

from __future__ import annotations

import re
from typing import Any

from psycopg import errors

from runtime.domain.shards import SHARDS
from runtime.ledger import claims, log_reader, sql
from tests.faults.sim_database import Database, GateClosed, Key, Row, Transaction, statement

UNTOUCHED: Row = {
    "position": 0,
    "upto": None,
    "intent": None,
    "intent_release": None,
    "intent_at": None,
    "sent_at": None,
    "rounds": 0,
    "ask_only": False,
    "attempt": 0,
    "token": 0,
    "lease_until": 0.0,
    "not_before": 0.0,
    "owner": None,
    "session": None,
    "waits_since": 0.0,
    "asleep": False,
}
"""The progress of a target on a lane that has never been claimed."""


def serves(s: Row, subscription: int, given: Row) -> bool:
    if s["tier"] not in given["tiers"] or (given["only"] is not None and subscription not in given["only"]):
        return False
    return given["shards"] is None or subscription % SHARDS in given["shards"]


def lease_is_over(until: float, now: float, clock: float | None) -> bool:
    """As `lease_is_over.sql`."""
    return until < now and not (clock is not None and clock <= until <= clock + sql.LONGEST_LEASE)


def _let_go(p: Row, now: float, clock: float | None) -> bool:
    """Nobody holds it, or its lease has ended."""
    return p["owner"] is None or p["session"] is None or lease_is_over(p["lease_until"], now, clock)


def _free(p: Row, now: float, clock: float | None) -> bool:
    """The same, or the session of its owner has ended."""
    return _let_go(p, now, clock) or bool(p["session"].lost)


def original_of(db: Database, subscription: int, s: Row) -> int:
    """Under whose keys this target sends."""
    return subscription if "own_keys" in db.plants else int(s.get("replay_of", subscription))


def hindsight(db: Database, tx: Transaction) -> float:
    """A planted bug: the time since the client began with this statement counts twice."""
    return db.now() - tx.actor.conn.began if "hindsight" in db.plants else 0.0


def _live_leases(db: Database, tx: Transaction, vendor: int) -> int:
    now = db.now()
    count = 0
    for (subscription, _lane), p in db.scan(tx, "progress"):
        s = db.get(tx, "subscription", (subscription,))
        if s and s["vendor"] == vendor and p["owner"] is not None and p["lease_until"] > now:
            count += 1
    return count


def _claimed(
    db: Database, tx: Transaction, key: Key, given: Row, d: Row, release: int, *, limited: bool, to_ask: bool
) -> list[Row]:
    """The update around the pick, with the guards of the database that hold for raw SQL too."""
    subscription, lane = key
    s = db.get(tx, "subscription", (subscription,))
    p = db.change(tx, "progress", key)
    assert s
    assert p
    owner, was = p["owner"], p["lease_until"]
    if p["intent"] is None:
        p["sent_at"] = None
    elif owner is not None and not p["ask_only"]:
        p["sent_at"] = max(p["sent_at"] or was, was)
    elif p["sent_at"] is None:
        p["sent_at"] = was
    began = tx.actor.world.now
    tx.actor.conn.pass_time()  # the statement read the gate as it began; its guard reads it again
    if "gate" not in db.plants:
        if to_ask and p["intent"] is None:
            raise errors.InsufficientPrivilege("nothing to ask about")
        if not to_ask and db.gate(tx, subscription) is None:
            raise GateClosed(f"gate closed for subscription {subscription}")
    p["token"] += 1
    p["owner"], p["session"], p["ask_only"], p["asleep"] = given["me"], tx.actor.conn, to_ask, False
    p["attempt"] += owner is not None
    p["lease_until"] = db.now() + given["lease"]
    tx.actor.grant(db, tx, subscription, release, to_ask=to_ask, at=began)
    stream = db.get(tx, "stream", (s["stream"],))
    assert stream
    return [
        {
            "subscription": subscription,
            "lane": lane,
            "position": p["position"],
            "upto": p["upto"],
            "intent": p["intent"],
            "intent_release": p["intent_release"],
            "database_time": db.now(),
            "attempt": p["attempt"],
            "token": p["token"],
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
            "rounds": p["rounds"],
            "first_sent_ago": None if p["intent_at"] is None else db.now() - p["intent_at"],
            "sent_ago": None if p["sent_at"] is None else db.now() - p["sent_at"] + hindsight(db, tx),
            "vendor": s["vendor"],
            "release": release,
            "deployment": d["id"],
            "original_subscription": original_of(db, subscription, s),
            "key_epochs": db.key_epochs(s["stream"], lane),
            "ask_until": p.get("ask_until"),
            "at_fault": False,
            "after": s.get("after"),
            "limited": limited,
            "metered": False,
            "overdue_by": db.now() - was if owner is not None else None,
        }
    ]


def _end_of_line(db: Database, p: Row) -> float:
    return p["waits_since"] if p["waits_since"] > db.now() - 0.2 else db.now()


@statement(claims._CLAIM)
def _claim(db: Database, tx: Transaction, given: Row) -> list[Row]:
    now = db.now()
    due = []
    for (subscription, lane), p in db.scan(tx, "progress"):
        s = db.get(tx, "subscription", (subscription,))
        if (
            s is None
            or not serves(s, subscription, given)
            or not _free(p, now, given["clock"])
            or p["not_before"] >= now
            or p["asleep"]
        ):
            continue
        counter = db.get(tx, "lane", (s["stream"], lane))
        assert counter
        end = counter["next"] - 1
        if p["upto"] is not None and p["upto"] < end:
            end = p["upto"]
        if (first := db.get(tx, "progress", (s.get("after"), lane))) is not None:
            end = min(end, first["position"])
        if p["position"] >= end and p["intent"] is None:
            continue
        d = db.gate(tx, subscription)
        if d is None:
            continue
        v = db.get(tx, "vendor", (s["vendor"],))
        assert v
        if v["concurrency"] is not None and v["concurrency"] <= _live_leases(db, tx, s["vendor"]):
            continue
        due.append(
            (
                s["tier"],
                p["waits_since"],
                (subscription, lane),
                d,
                v["breaker"] != "closed" or v["concurrency"] is not None,
            )
        )
    for _, _, key, d, limited in sorted(due, key=lambda found: found[:2]):
        if db.lock(tx, "progress", key, skip=True):
            return _claimed(db, tx, key, given, d, d["release"], limited=limited, to_ask=False)
    return []


@statement(claims._CLAIM_TO_ASK)
def _claim_to_ask(db: Database, tx: Transaction, given: Row) -> list[Row]:
    now = db.now()
    due = []
    for (subscription, lane), p in db.scan(tx, "progress"):
        s = db.get(tx, "subscription", (subscription,))
        if (
            s is None
            or not serves(s, subscription, given)
            or p["intent"] is None
            or p["asleep"]
            or not _let_go(p, now, given["clock"])
            or p["not_before"] >= now
        ):
            continue
        v, d = db.get(tx, "vendor", (s["vendor"],)), db.get(tx, "deployment", (s["deployment"],))
        if (
            v is None
            or d is None
            or v["breaker"] != "closed"
            or v["not_before"] > now
            or db.permitted(tx, subscription) is not None
        ):
            continue
        release = p["intent_release"] if p["intent_release"] is not None else d["release"]
        due.append((p["lease_until"], (subscription, lane), d, release))
    for _, key, d, release in sorted(due, key=lambda found: found[0]):
        if db.lock(tx, "progress", key, skip=True):
            return _claimed(db, tx, key, given, d, release, limited=False, to_ask=True)
    return []


@statement(re.escape(claims.LOCK_VENDOR) + "$")
def _lock_vendor(db: Database, tx: Transaction, given: Any) -> list[Any]:
    """Who has to wait goes to another vendor, as after the short time that it would wait."""
    if not db.lock(tx, "vendor", (given[0],), skip=True):
        raise errors.LockNotAvailable("canceling statement due to lock timeout")
    return [()]


@statement(claims.OF_OTHER_VENDORS)
def _of_other_vendors(db: Database, tx: Transaction, given: Any) -> list[Any]:
    held, only, _ = given
    found = [key[0] for key, s in db.scan(tx, "subscription") if s["vendor"] not in held]
    return [([one for one in found if only is None or one in only] or None,)]


@statement(claims._ADMIT)
def _admit(db: Database, tx: Transaction, given: Any) -> list[Any]:
    v, now = db.get(tx, "vendor", (given["vendor"],)), db.now()
    if v is None:
        return []
    place = v["concurrency"] is None or v["concurrency"] >= _live_leases(db, tx, given["vendor"])
    probe = v["breaker"] == "closed" or (v["open_until"] <= now and v["probe_until"] <= now)
    return [(place and probe, v["breaker"] != "closed")]


@statement(claims._PROBE)
def _probe(db: Database, tx: Transaction, given: Any) -> int:
    subscription, lane, lease, vendor = given
    v = db.change(tx, "vendor", (vendor,))
    assert v
    v["probe_subscription"], v["probe_lane"], v["probe_until"] = subscription, lane, db.now() + lease
    return 1


@statement(claims._STEP)
def _step(db: Database, tx: Transaction, given: Row) -> list[Any]:
    subscription, key = given["subscription"], (given["subscription"], given["lane"])
    d = db.gate(tx, subscription)
    first = db.get(tx, "progress", (given["after"], given["lane"]))
    in_turn = first is None or given["intent"] is None or first["position"] >= given["intent"]
    is_open = d is not None and d["release"] == given["release"]
    if not is_open and (d := db.permitted(tx, subscription)) is not None and d["release"] == given["release"]:
        v = db.get(tx, "vendor", (given["vendor"],))
        is_open = bool(
            v
            and v["probe_subscription"] == subscription
            and v["probe_lane"] == given["lane"]
            and v["not_before"] <= db.now()
        )
    if "gate" in db.plants:
        is_open = True
    is_open = is_open and in_turn
    granted = tx.actor.world.now
    if given["gated"] and not is_open:
        return []
    db.lock(tx, "progress", key)
    p = db.get(tx, "progress", key)
    if p is None or (p["token"] != given["token"] and "token" not in db.plants):
        return []
    position = given["position"]
    is_open = is_open and (p["upto"] is None or max(position, given["intent"] or 0) <= p["upto"])
    if given["gated"] and not is_open:
        return []
    p = dict(p)
    if position < p["position"]:
        raise errors.CheckViolation("a position only grows")
    intent = given["intent"] if is_open and "intent" not in db.plants else None
    if p["ask_only"] and (
        position > (p["intent"] if p["intent"] is not None else p["position"]) or (intent or 0) > (p["intent"] or 0)
    ):
        raise errors.InsufficientPrivilege("this claim may only ask")
    p["position"], p["intent"], p["attempt"] = position, intent, 0
    p["intent_at"], p["sent_at"], p["rounds"] = db.now() if intent is not None else None, None, 0
    p["intent_release"] = given["release"] if intent is not None else None
    p["lease_until"] = db.now() + given["lease"]
    tx.writes["progress", key] = p
    if is_open:
        tx.actor.grant(db, tx, subscription, given["release"], at=granted)
    if given["first"] is not None:
        tx.appended.append(
            (
                "delivery",
                {
                    "subscription": subscription,
                    "lane": given["lane"],
                    "first": given["first"],
                    "last": given["last"],
                    "outcome": given["outcome"],
                    "token": given["token"],
                    "confirmed": given["confirmed"],
                    "references": getattr(given["references"], "obj", None),
                },
            )
        )
    return [(is_open,)]


@statement(claims._RELEASE)
def _release(db: Database, tx: Transaction, given: Any) -> int:
    wait, subscription, lane, token = given
    db.lock(tx, "progress", (subscription, lane))
    p = db.get(tx, "progress", (subscription, lane))
    if p is None or (p["token"] != token and "token" not in db.plants):
        return 0
    p = dict(p)
    p["lease_until"], p["owner"], p["waits_since"] = db.now(), None, _end_of_line(db, p)
    p["not_before"] = max(p["not_before"], db.now() + wait) if wait else p["not_before"]
    tx.writes["progress", (subscription, lane)] = p
    return 1


@statement(claims._RELEASE_UNANSWERED)
def _release_unanswered(db: Database, tx: Transaction, given: Any) -> int:
    wait, sent_ago, subscription, lane, token = given
    db.lock(tx, "progress", (subscription, lane))
    p = db.get(tx, "progress", (subscription, lane))
    if p is None or (p["token"] != token and "token" not in db.plants):
        return 0
    tx.writes["progress", (subscription, lane)] = p | {
        "lease_until": db.now(),
        "waits_since": _end_of_line(db, p),
        "owner": None,
        "not_before": max(p["not_before"], db.now() + wait) if wait else p["not_before"],
        "sent_at": None if sent_ago is None else db.now() - sent_ago,
        "rounds": p["rounds"] + 1,
    }
    return 1


@statement(claims._RENEW)
def _renew(db: Database, tx: Transaction, given: Any) -> int:
    lease, subscription, lane, token = given
    db.lock(tx, "progress", (subscription, lane))
    p = db.get(tx, "progress", (subscription, lane))
    if p is None or (p["token"] != token and "token" not in db.plants):
        return 0
    tx.writes["progress", (subscription, lane)] = p | {"lease_until": db.now() + lease}
    return 1


@statement(claims._RELEASE_AFTER_FAILURE)
def _hand_back(db: Database, tx: Transaction, given: Any) -> int:
    wait, subscription, lane, token = given
    db.lock(tx, "progress", (subscription, lane))
    p = db.get(tx, "progress", (subscription, lane))
    if p is None or (p["token"] != token and "token" not in db.plants):
        return 0
    after = {
        "lease_until": db.now(),
        "session": None,
        "not_before": db.now() + wait,
        "waits_since": _end_of_line(db, p),
    }
    tx.writes["progress", (subscription, lane)] = p | after
    return 1


@statement(log_reader._NEXT)
def _next_messages(db: Database, tx: Transaction, given: Any) -> list[Any]:
    stream, lane, after, end, count = given
    found = [
        (position, m["key"], m["correlation"], m.get("traceparent"), None, m["payload"])
        for (of, ln, position), m in db.scan(tx, "message")
        if of == stream and ln == lane and after < position <= end
    ]
    found.sort(key=lambda row: row[0])
    return found[:count]


@statement(log_reader._OLDEST_AGE)
def _oldest_age(db: Database, tx: Transaction, given: Any) -> list[Any]:
    stream, lane, first, last = given
    came = [
        m["received_at"]
        for (of, ln, position), m in db.scan(tx, "message")
        if of == stream and ln == lane and first <= position <= last
    ]
    return [(db.now() - min(came) if came else None,)]


@statement(r"select exists \(select from runtime_quarantine where subscription_id = %s\)$")
def _any_parked(db: Database, tx: Transaction, given: Any) -> list[Any]:
    return [(any(key[0] == given[0] for key, _ in db.scan(tx, "parked")),)]


@statement(
    r"select distinct key from runtime_quarantine where subscription_id = %s and key = any\(%s\) and position < %s$"
)
def _parked_keys(db: Database, tx: Transaction, given: Any) -> list[Any]:
    subscription, keys, before = given
    return [
        (k,)
        for k in {
            q["key"]
            for (of, _, at), q in db.scan(tx, "parked")
            if of == subscription and q["key"] in keys and at < before
        }
    ]
