"""What each of the ledger's statements does to the modelled database."""

from __future__ import annotations

from typing import Any

from psycopg import errors

from runtime.ledger import claims, parked, reading, vendors
from tests.faults.sim_database import GONE, Database, Key, Row, Transaction, statement

# append


@statement(r"update runtime_stream set cursor = %s::jsonb, lease_until = .* where id = %s and token = %s$")
def _move_source(db: Database, tx: Transaction, given: Any) -> int:
    cursor, lease, stream, token = given
    row = db.change(tx, "stream", (stream,))
    if row is None or (row["token"] != token and "token" not in db.plants):
        return 0
    row["cursor"], row["lease_until"] = cursor, db.now() + lease
    return 1


@statement(r"select lane, next from runtime_lane where stream_id = %s and lane = any\(%s\) order by lane for update$")
def _lock_lanes(db: Database, tx: Transaction, given: Any) -> list[Any]:
    stream, lanes = given
    found = []
    for lane in sorted(lanes):
        if "sequence" in db.plants:  # like nextval: no lock, and nobody gets the same number
            counter = db.rows["lane"][stream, lane]
            found.append((lane, counter["next"]))
            db.rows["lane"][stream, lane] = {"next": counter["next"] + tx.actor.reserve}
            continue
        db.lock(tx, "lane", (stream, lane))
        row = db.get(tx, "lane", (stream, lane))
        if row is not None:
            found.append((lane, row["next"]))
    return found


@statement(
    r"select key, hash, version, position from runtime_head where stream_id = %s and key = any\(string_to_array\(%s, chr\(31\)\)\)$"
)
def _read_heads(db: Database, tx: Transaction, given: Any) -> list[Any]:
    stream, keys = given
    heads = ((key, db.get(tx, "head", (stream, key))) for key in keys.split("\x1f"))
    return [(key, h["hash"], h["version"], h["position"]) for key, h in heads if h]


@statement(r"update runtime_lane set next = %s where stream_id = %s and lane = %s$")
def _count_up(db: Database, tx: Transaction, given: Any) -> int:
    following, stream, lane = given
    if "sequence" in db.plants:
        return 1
    row = db.change(tx, "lane", (stream, lane))
    if row is None:
        return 0
    row["next"] = following
    return 1


@statement(
    r"insert into runtime_message \(stream_id, lane, position, key, version, previous, release_id, run_id, correlation, causation, traceparent, payload\) values "
)
def _insert_messages(db: Database, tx: Transaction, cells: Any) -> int:
    for start in range(0, len(cells), 12):
        stream, lane, position, key, version, previous, release, _run, correlation, _causation, _trace, payload = cells[
            start : start + 12
        ]
        if db.get(tx, "message", (stream, lane, position)) is not None:
            raise errors.UniqueViolation("duplicate position")
        db.put(tx, "message", (stream, lane, position), {
            "key": key, "version": version, "previous": previous, "release": release, "correlation": correlation, "payload": payload.encode(),
        })  # fmt: skip
    return len(cells) // 12


@statement(r"insert into runtime_head \(stream_id, key, hash, version, position\) select ")
def _put_heads(db: Database, tx: Transaction, given: Any) -> int:
    stream, joined, *columns = given
    keys = joined.split("\x1f")
    hashes, versions, positions = ([int(value) for value in column[1:-1].split(",")] for column in columns)
    for key, content, version, position in zip(keys, hashes, versions, positions, strict=True):
        db.lock(tx, "head", (stream, key))
        db.put(tx, "head", (stream, key), {"hash": content, "version": version, "position": position})
    return len(keys)


@statement(r"insert into runtime_conflict ")
def _conflict(db: Database, tx: Transaction, given: Any) -> int:
    stream, key, _position, content, _payload = given
    db.put(tx, "conflict", (stream, key, content), {})
    return 1


@statement(r"sim: claim the source$")
def _claim_source(db: Database, tx: Transaction, given: Any) -> list[Any]:
    stream, lease = given
    if not db.lock(tx, "stream", (stream,), skip=True):
        return []
    row = db.get(tx, "stream", (stream,))
    if row is None or row["lease_until"] >= db.now():
        return []
    row = dict(row)
    row["token"] += 1
    row["lease_until"] = db.now() + lease
    db.put(tx, "stream", (stream,), row)
    return [(row["token"], row["cursor"])]


# claim


def _serves(s: Row, subscription: int, given: Row) -> bool:
    if s["tier"] not in given["tiers"] or (given["only"] is not None and subscription not in given["only"]):
        return False
    return given["shards"] is None or subscription % 16 in given["shards"]


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
    began = db.now()
    tx.actor.conn.pass_time()  # the statement read the gate as it began; its guard reads it again
    if "gate" not in db.plants:
        if to_ask and p["intent"] is None:
            raise errors.InsufficientPrivilege("nothing to ask about")
        if not to_ask and db.gate(tx, subscription) is None:
            raise errors.InsufficientPrivilege(f"gate closed for subscription {subscription}")
    p["token"] += 1
    p["owner"], p["ask_only"] = given["me"], to_ask
    p["attempt"] += owner is not None
    p["lease_until"] = db.now() + given["lease"]
    tx.actor.grant(db, tx, subscription, release, to_ask=to_ask, at=began)
    stream = db.get(tx, "stream", (s["stream"],))
    assert stream
    return [{
        "subscription": subscription, "lane": lane, "position": p["position"], "upto": p["upto"], "intent": p["intent"],
        "intent_release": p["intent_release"], "attempt": p["attempt"], "token": p["token"], "stream": s["stream"], "salt": stream["salt"],
        "target": s["target"], "instance": s["instance"], "kind": s["kind"], "idempotency": s["idempotency"], "coalesce": s["coalesce"],
        "batch": s["batch"], "max_attempts": s["max_attempts"], "pace": s["pace"], "vendor": s["vendor"], "release": release,
        "deployment": d["id"], "origin": subscription, "limited": limited, "late": db.now() - was if owner is not None else None,
    }]  # fmt: skip


@statement(claims._CLAIM)
def _claim(db: Database, tx: Transaction, given: Row) -> list[Row]:
    now = db.now()
    due = []
    for (subscription, lane), p in db.scan(tx, "progress"):
        s = db.get(tx, "subscription", (subscription,))
        if s is None or not _serves(s, subscription, given) or p["lease_until"] >= now or p["not_before"] >= now:
            continue
        counter = db.get(tx, "lane", (s["stream"], lane))
        assert counter
        end = counter["next"] - 1
        if p["upto"] is not None and p["upto"] < end:
            end = p["upto"]
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
            (s["tier"], p["lease_until"], (subscription, lane), d, v["breaker"] != "closed" or v["concurrency"] is not None)
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
            or not _serves(s, subscription, given)
            or p["intent"] is None
            or p["lease_until"] >= now
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


@statement(r"select from runtime_vendorstate where id = %s for update$")
def _lock_vendor(db: Database, tx: Transaction, given: Any) -> list[Any]:
    db.lock(tx, "vendor", (given[0],))
    return [()]


@statement(claims._ADMIT)
def _admit(db: Database, tx: Transaction, given: Any) -> list[Any]:
    v, now = db.get(tx, "vendor", (given[0],)), db.now()
    if v is None:
        return []
    place = v["concurrency"] is None or v["concurrency"] >= _live_leases(db, tx, given[0])
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
    is_open = d is not None and d["release"] == given["release"]
    if not is_open and (d := db.permitted(tx, subscription)) is not None and d["release"] == given["release"]:
        v = db.get(tx, "vendor", (given["vendor"],))
        is_open = bool(
            v and v["probe_subscription"] == subscription and v["probe_lane"] == given["lane"] and v["not_before"] <= db.now()
        )
    if "gate" in db.plants:
        is_open = True
    granted = db.now()
    if given["gated"] and not is_open:
        return []
    db.lock(tx, "progress", key)
    p = db.get(tx, "progress", key)
    if p is None or (p["token"] != given["token"] and "token" not in db.plants):
        return []
    p = dict(p)
    position = given["position"]
    if position < p["position"]:
        raise errors.CheckViolation("a position only grows")
    intent = given["intent"] if is_open and "intent" not in db.plants else None
    if p["ask_only"] and (
        position > (p["intent"] if p["intent"] is not None else p["position"]) or (intent or 0) > (p["intent"] or 0)
    ):
        raise errors.InsufficientPrivilege("this claim may only ask")
    p["position"], p["intent"], p["attempt"] = position, intent, 0
    p["intent_release"] = given["release"] if intent is not None else None
    p["lease_until"] = db.now() + given["lease"]
    tx.writes["progress", key] = p
    if is_open:
        tx.actor.grant(db, tx, subscription, given["release"], at=granted)
    if given["first"] is not None:
        tx.appended.append(("delivery", {"subscription": subscription, "lane": given["lane"], "first": given["first"], "last": given["last"],
                                         "outcome": given["outcome"], "token": given["token"], "confirmed": given["confirmed"]}))  # fmt: skip
    return [(is_open,)]


@statement(claims._RELEASE)
def _release(db: Database, tx: Transaction, given: Any) -> int:
    wait, subscription, lane, token = given
    db.lock(tx, "progress", (subscription, lane))
    p = db.get(tx, "progress", (subscription, lane))
    if p is None or (p["token"] != token and "token" not in db.plants):
        return 0
    p = dict(p)
    p["lease_until"], p["owner"], p["not_before"] = db.now(), None, db.now() + wait
    tx.writes["progress", (subscription, lane)] = p
    return 1


# reading


@statement(reading._NEXT)
def _next_messages(db: Database, tx: Transaction, given: Any) -> list[Any]:
    stream, lane, after, end, count = given
    found = [
        (position, m["key"], m["correlation"], m["payload"])
        for (of, ln, position), m in db.scan(tx, "message")
        if of == stream and ln == lane and after < position <= end
    ]
    found.sort(key=lambda row: row[0])
    return found[:count]


@statement(r"select exists \(select from runtime_parked where subscription_id = %s\)$")
def _any_parked(db: Database, tx: Transaction, given: Any) -> list[Any]:
    return [(any(key[0] == given[0] for key, _ in db.scan(tx, "parked")),)]


@statement(r"select distinct key from runtime_parked where subscription_id = %s and key = any\(%s\) and position < %s$")
def _parked_keys(db: Database, tx: Transaction, given: Any) -> list[Any]:
    subscription, keys, before = given
    return [
        (k,)
        for k in {q["key"] for (of, _, at), q in db.scan(tx, "parked") if of == subscription and q["key"] in keys and at < before}
    ]


# parked messages


@statement(
    r"insert into runtime_parked \(subscription_id, lane, position, key, state, reason_class, fingerprint, reason, not_before, intent_release\)"
)
def _park(db: Database, tx: Transaction, given: Any) -> int:
    subscription, lane, position, key, state, reason_class, _print, reason, delay, intent_release = given
    place = (subscription, lane, position)
    if db.get(tx, "parked", place) is not None:
        return 0
    db.put(tx, "parked", place, {
        "key": key, "state": state, "reason_class": reason_class, "reason": reason, "attempt": 0, "not_before": db.now() + delay,
        "token": 0, "lease_until": 0.0, "ask_only": False, "intent_release": intent_release, "payload": None,
    })  # fmt: skip
    return 1


def _take_parked(db: Database, tx: Transaction, given: Row, *, to_ask: bool) -> list[Row]:
    now = db.now()
    due = []
    everything = list(db.scan(tx, "parked"))
    for place, q in everything:
        subscription = place[0]
        s = db.get(tx, "subscription", (subscription,))
        if s is None or not _serves(s, subscription, given) or q["lease_until"] >= now or q["not_before"] >= now:
            continue
        v = db.get(tx, "vendor", (s["vendor"],))
        d = db.get(tx, "deployment", (s["deployment"],))
        assert v
        assert d
        if to_ask:
            if (
                q["state"] != "sending"
                or s["kind"] != "vendor"
                or v["breaker"] != "closed"
                or db.permitted(tx, subscription) is not None
            ):
                continue
        else:
            if q["state"] not in ("retry", "behind", "sending"):
                continue
            if db.gate(tx, subscription) is None:
                continue
        if any(
            e is not q and other[0] == subscription and e["key"] == q["key"] and other[2] < place[2] for other, e in everything
        ):
            continue
        due.append((s["tier"], q["not_before"], place[2], place, d, v["breaker"] != "closed" or v["concurrency"] is not None))
    for _, _, _, place, d, limited in sorted(due, key=lambda found: found[:3]):
        if not db.lock(tx, "parked", place, skip=True):
            continue
        old = db.get(tx, "parked", place)
        s = db.get(tx, "subscription", (place[0],))
        if old is None or s is None:
            continue
        began = db.now()
        tx.actor.conn.pass_time()
        if not to_ask and "gate" not in db.plants and db.gate(tx, place[0]) is None:
            raise errors.InsufficientPrivilege(f"gate closed for subscription {place[0]}")
        q = dict(old)
        was = q["state"]
        q["token"] += 1
        q["attempt"] += 1
        q["lease_until"], q["ask_only"], q["state"] = db.now() + given["lease"], to_ask, "sending"
        q["intent_release"] = q["intent_release"] if was == "sending" and q["intent_release"] is not None else d["release"]
        tx.writes["parked", place] = q
        tx.actor.grant(db, tx, place[0], d["release"], to_ask=to_ask, at=began)
        stream = db.get(tx, "stream", (s["stream"],))
        assert stream
        return [{
            "subscription": place[0], "lane": place[1], "position": place[2], "key": q["key"], "token": q["token"], "attempt": q["attempt"],
            "intent_release": q["intent_release"], "payload": q["payload"], "was": was, "stream": s["stream"], "salt": stream["salt"],
            "target": s["target"], "instance": s["instance"], "kind": s["kind"], "idempotency": s["idempotency"], "coalesce": s["coalesce"],
            "batch": s["batch"], "max_attempts": s["max_attempts"], "pace": s["pace"], "vendor": s["vendor"], "release": d["release"],
            "deployment": d["id"], "origin": place[0], "limited": limited,
        }]  # fmt: skip
    return []


@statement(parked._CLAIM)
def _claim_parked(db: Database, tx: Transaction, given: Row) -> list[Row]:
    return _take_parked(db, tx, given, to_ask=False)


@statement(parked._CLAIM_TO_ASK)
def _claim_parked_to_ask(db: Database, tx: Transaction, given: Row) -> list[Row]:
    return _take_parked(db, tx, given, to_ask=True)


@statement(r"delete from runtime_parked where subscription_id = %s and lane = %s and position = %s and token = %s$")
def _remove_parked(db: Database, tx: Transaction, given: Any) -> int:
    *place, token = given
    key = tuple(place)
    db.lock(tx, "parked", key)
    q = db.get(tx, "parked", key)
    if q is None or (q["token"] != token and "token" not in db.plants):
        return 0
    tx.writes["parked", key] = GONE
    return 1


@statement(r"update runtime_parked set state = %s, reason_class = %s, fingerprint = %s, reason = %s, lease_until = 'epoch', ask_only = false, "
           r"not_before = .*, intent_release = %s, attempt = attempt - %s where subscription_id = %s and lane = %s and position = %s and token = %s$")  # fmt: skip
def _keep_parked(db: Database, tx: Transaction, given: Any) -> int:
    state, reason_class, _print, reason, delay, intent_release, not_own, subscription, lane, position, token = given
    key = (subscription, lane, position)
    db.lock(tx, "parked", key)
    old = db.get(tx, "parked", key)
    if old is None or (old["token"] != token and "token" not in db.plants):
        return 0
    tx.writes["parked", key] = old | {
        "state": state, "reason_class": reason_class, "reason": reason, "lease_until": 0.0, "ask_only": False,
        "not_before": db.now() + delay, "intent_release": intent_release, "attempt": old["attempt"] - not_own,
    }  # fmt: skip
    return 1


@statement(r"insert into runtime_attempt ")
def _note(db: Database, tx: Transaction, given: Any) -> int:
    subscription, lane, first, last, token, release, outcome, detail, _reference = given
    tx.appended.append(("attempt", {"subscription": subscription, "lane": lane, "first": first, "last": last, "token": token,
                                    "release": release, "outcome": outcome, "detail": detail}))  # fmt: skip
    return 1


# vendors


@statement(vendors._FAILED)
def _failed(db: Database, tx: Transaction, given: Row) -> int:
    v = db.change(tx, "vendor", (given["vendor"],))
    assert v
    opens, now = v["failures"] + 1 >= given["limit"], db.now()
    again = opens or v["breaker"] == "open"
    if again:
        v["open_until"] = now + min(given["longest"], given["first"] * 2.0 ** min(v["openings"], 12))
        v["openings"] += 1
    if opens:
        v["breaker"] = "open"
    v["failures"] += 1
    v["not_before"] = max(v["not_before"], now + given["retry_after"])
    v["probe_subscription"], v["probe_lane"], v["probe_until"] = None, None, 0.0
    return 1


@statement(vendors._THROTTLED)
def _throttled(db: Database, tx: Transaction, given: Row) -> int:
    v = db.change(tx, "vendor", (given["vendor"],))
    assert v
    v["not_before"] = max(v["not_before"], db.now() + given["retry_after"])
    v["probe_subscription"], v["probe_lane"], v["probe_until"] = None, None, 0.0
    return 1


@statement(vendors._WORKS)
def _works(db: Database, tx: Transaction, given: Any) -> int:
    v = db.get(tx, "vendor", (given[0],))
    assert v
    if v["breaker"] == "closed" and v["failures"] == 0 and v["success"] is not None and v["success"] >= db.now() - 60:
        return 0
    v = db.change(tx, "vendor", (given[0],))
    assert v
    v.update(
        breaker="closed", failures=0, openings=0, probe_subscription=None, probe_lane=None, probe_until=0.0, success=db.now()
    )
    return 1


# the product's own tables as targets: the effect counts every application, so that a second one shows


@statement(r"sim: apply$")
def _apply(db: Database, tx: Transaction, rows: Any) -> int:
    for subscription, position, values in rows:
        tx.appended.append(("applied", (subscription, position, values)))
    return len(rows)
