"""The judge of a simulated world: what was produced, what the vendor's journal shows, what waits for a person."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.faults.sim_shapes import VENDOR, Effect, Shape

if TYPE_CHECKING:
    from tests.faults.world import World


def judge(world: World) -> None:
    """Compares what was produced, what the vendor's journal shows and what waits for a person."""
    verdict, db, shape = world.verdict, world.database, world.shape
    produced = set(world.produced)
    logged = Counter((m["key"], m["version"]) for m in db.rows["message"].values())
    verdict.lost += [f"acknowledged and not in the log: {one}" for one in sorted(world.acknowledged - set(logged))]
    verdict.twice += [f"in the log {n} times: {one}" for one, n in logged.items() if n > 1]
    where = {(m["key"], m["version"]): place for place, m in db.rows["message"].items()}
    for subscription in [key[0] for key, s in db.rows["subscription"].items() if "replay_of" not in s]:
        if subscription == VENDOR:
            effects = world.vendor.journal
        else:
            effects = [
                Effect(of, key, version, 0, 0.0, False, None)
                for of, _, (key, version) in db.logs["applied"]
                if of == subscription
            ]
        happened = Counter((e.key, e.version) for e in effects)
        windowed = {(e.key, e.version) for e in effects if e.late and (shape.window or shape.honours)}
        newest: dict[str, int] = {}
        any_time = windowed | world.sent_again
        for e in effects:
            if newest.get(e.key, 0) > e.version and (e.key, e.version) not in any_time:
                verdict.disorder.append(f"{subscription}: {e.key}@{e.version} after @{newest[e.key]}")
            newest[e.key] = max(newest.get(e.key, 0), e.version)
        for one, count in happened.items():
            if count > 1 and one in windowed:
                world.counts["doubled in the window"] += 1
                _window(world, subscription, where[one], one)
            elif count > 1 and not (shape.overwrites and subscription == VENDOR):  # there the order is what counts
                verdict.twice.append(f"{subscription}: {one} {count} times")
        waits = {place[1:]: q for place, q in db.rows["parked"].items() if place[0] == subscription}
        for one in sorted(produced):
            if one not in where:
                verdict.lost.append(f"{one} never came into the log")
                continue
            _, lane, position = where[one]
            q = waits.get((lane, position))
            if q is not None:
                again_is_harmless = q["state"] in ("behind", "sending") and (shape.honours or q["state"] == "sending")
                if happened[one] and not (q["state"] == "unknown" or one in windowed or again_is_harmless):
                    verdict.unknown.append(f"{subscription}: {one} took effect and is {q['state']} {q['reason_class']}")
                first = any(
                    k == one[0] and waits[at]["state"] == "dead"
                    for (k, v), (_, *at_) in where.items()
                    if v < one[1] and (at := tuple(at_)) in waits
                )
                if q["state"] in ("sending", "retry") and not first:
                    verdict.unknown.append(f"{subscription}: {one} is still {q['state']}")
                if q["state"] == "dead" and not deserved(world, one, q):
                    verdict.lost.append(
                        f"{subscription}: {one} is dead without a reason: {q['reason_class']} {q['reason']}"
                    )
                world.counts[f"ended {q['state']}"] += 1
            elif (
                not happened[one]
                and one not in world.skipped | world.given_up
                and one[0] not in (shape.declined if subscription == VENDOR else ())
                and not _superseded(
                    shape,
                    subscription,
                    one,
                    set(happened)
                    | world.given_up
                    | {
                        (q["key"], v)
                        for (k, v), (_, ln, at) in where.items()
                        if (q := waits.get((ln, at))) and k == q["key"]
                    },
                )
            ):
                verdict.lost.append(f"{subscription}: {one} at {lane}/{position}")
        tiles(world, subscription)
    world.counts["messages"] += len(produced)
    world.counts["effects"] += len(world.vendor.journal)
    world.counts["absorbed by the vendor's key"] += world.vendor.absorbed


def _window(world: World, subscription: int, place: Any, one: tuple[str, int]) -> None:
    """A second send after a pause inside the window must be on record, unless its sender was killed or cut off right
    after it."""
    _, lane, position = place
    notes = [
        n
        for n in world.database.logs["attempt"]
        if n["subscription"] == subscription and n["lane"] == lane and n["outcome"] == "late"
    ]
    late = [e for e in world.vendor.journal if (e.key, e.version) == one and e.late]
    if any(n["first"] <= position <= n["last"] for n in notes):
        world.counts["of them on record"] += 1
    elif any(e.conn is not None and e.conn.lost for e in late):
        world.counts["of them the sender was gone"] += 1
    else:
        world.verdict.unknown.append(f"{subscription}: {one} was sent late and a second time, and nobody noted it")


def deserved(world: World, one: tuple[str, int], q: dict[str, Any]) -> bool:
    if q["reason_class"] in ("refused", "mapping"):
        return one[0] in world.shape.refused | world.shape.unmappable or one in world.vendor.turned_down
    return q["reason_class"] in ("poison", "attempts")


def _superseded(shape: Shape, subscription: int, one: tuple[str, int], ended: set[tuple[str, int]]) -> bool:
    """A later value of the same key took its place: allowed where values are absolute, and in tables."""
    if subscription == VENDOR and not shape.coalesce:
        return False
    return any(key == one[0] and version > one[1] for key, version in ended)


def tiles(world: World, subscription: int, spans: dict[int, tuple[int, int]] | None = None) -> None:
    """Evidence covers 1 to the position, or the span of a replay, without a gap and without an overlap."""
    db = world.database
    for of, lane in db.rows["progress"]:
        if of != subscription:
            continue
        first, last = (spans or {}).get(lane, (1, 0))
        end = first - 1
        for row in [row for row in db.logs["delivery"] if row["subscription"] == of and row["lane"] == lane]:
            if row["first"] != end + 1:
                positions = [at for (_, ln, at) in db.rows["message"] if ln == lane and end < at < row["first"]]
                if positions or row["first"] <= end:
                    kind = world.verdict.lost if row["first"] > end + 1 else world.verdict.twice
                    kind.append(f"{of}: evidence of lane {lane} goes from {end} to {row['first']}")
            end = max(end, row["last"])
        if end < last:
            world.verdict.lost.append(f"{of}: evidence of lane {lane} ends at {end} and not at {last}")
