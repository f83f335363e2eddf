"""Goals R2 to R7, each a run of its own: `python -m tests.faults.resilience r4 --seed 1`. Prints one JSON line; the
exit code is 1 when the goal is missed.

r2  every answer is cut after the vendor acted: all end confirmed or refused, by asking; no second effect r3  Redis is
killed under load and comes back: nothing lost, throughput without it, seconds until it is as before r4  SIGKILL of
workers: how long after the end of its lease a lane is taken over r5  tries to take work through a closed gate, by the
product's claims and by raw SQL r6  a message that ends every process that touches it: quarantined; what it costs the
others, in rounds without and with it in turn r7  stored messages replayed twice as a dry run: same hashes, no effect
outside, rate
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from sandbox import journal
from tests.faults.campaign import Campaign
from tests.faults.injections import CALM, Options
from tests.faults.judge import second
from tests.faults.load import SALES, Plan
from tests.faults.rounds import Round

QUIET = Options(**CALM, http_tills=0)
WARM_UP = 3.0  # seconds at the beginning of a round whose messages are not measured


@contextlib.contextmanager
def campaign(options: Options, seed: int) -> Iterator[Campaign]:
    """Servers of our own, thrown away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tg-faults-"))
    folder.chmod(0o711)
    made = Campaign(folder, options, seed)
    try:
        yield made.start()
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _entries(made: Campaign) -> list[journal.Entry]:
    sandbox = made.installation.vendors.sandbox
    assert sandbox is not None
    found = [
        e
        for name in made.installation.vendors.proxies
        for e in journal.read(sandbox.journal_path(name))
        if e.effect in ("sale.posted", "price.applied", "salesorder.created", "points.earned")
    ]
    return sorted(found, key=second)


class _CutEverything(Round):
    def _vendor_faults(self) -> None:
        sandbox = self.installation.vendors.sandbox
        assert sandbox is not None
        for control in (sandbox.erp, sandbox.stores, sandbox.loyalty):
            control.fault("cut_after", rate=1.0)


def r2(seed: int, scale: float) -> dict[str, Any]:
    options = replace(QUIET, batches=int(100 * scale), till_pause=0.05)
    with campaign(options, seed) as made:
        verdict = _CutEverything(made.installation, made.people, options, seed, True, True).run()
        calls = made.people.sql("select count(*) from runtime_delivery where outcome = 'answered'")[0][0]
        return {"goal": "R2", "ok": verdict.clean, "calls_with_answer_cut": calls, **verdict.counts(), **verdict.facts}


class _WithoutRedis(Round):
    at: tuple[float, float] = (0.0, 0.0)

    def _draw_all(self) -> None:
        super()._draw_all()
        now = time.monotonic()
        self.at = (time.time() + 15, time.time() + 30)
        self.undo += [
            (now + 15, self.installation.servers.kill_redis),
            (now + 30, self.installation.servers.start_redis),
        ]


def r3(seed: int, scale: float) -> dict[str, Any]:
    """Tills push as fast as they can, for 45 seconds and more."""
    options = replace(QUIET, batches=int(2000 * scale), till_pause=0.02)
    with campaign(options, seed) as made:
        one = _WithoutRedis(made.installation, made.people, options, seed, True, True)
        verdict = one.run()
        times = [second(e) for e in _entries(made)]
        gone, back = one.at
        last = times[-1] if times else back
        normal = sum(gone - 12 <= at < gone for at in times) / 12
        without = sum(gone <= at < back for at in times) / (back - gone)
        seconds = [sum(back + s <= at < back + s + 1 for at in times) for s in range(int(max(0, min(15, last - back))))]
        recovered = next((s for s, count in enumerate(seconds) if count >= 0.8 * normal), None)
        ratio = round(without / normal, 2) if normal else None
        ok = verdict.clean and ratio is not None and ratio >= 0.8 and recovered is not None and recovered < 5
        return {
            "goal": "R3",
            "ok": ok,
            "normal_per_s": round(normal),
            "without_redis_per_s": round(without),
            "ratio": ratio,
            "recovered_after_s": recovered,
            "pushed_until_s_after_return": round(last - back, 1),
            **verdict.counts(),
        }


def r4(seed: int, scale: float) -> dict[str, Any]:
    options = replace(QUIET, batches=int(400 * scale), till_pause=0.1, kill_every=0.7)
    with campaign(options, seed) as made:
        verdict = made.round(seed, blind=True)
        p99 = verdict.facts.get("takeover_p99_s")
        return {
            "goal": "R4",
            "ok": verdict.clean and p99 is not None and p99 <= 2.0,
            "lease_s": options.lease,
            "kills": made.installation.history.counts.get("kill", 0),
            **verdict.counts(),
            **verdict.facts,
        }


# -- R5 ----------------------------------------------------------------------------------------------------------------


def _unguarded(people: Any, statement: str) -> None:
    """As a person with full rights would, past the guards of the catalog and of governance."""
    people.sql(f"begin; set local session_replication_role = replica; {statement}; commit")


def _closures(made: Campaign) -> dict[str, tuple[Callable[[], None], Callable[[], None]]]:
    people = made.people
    pins = "update catalog_apiversion set {} where id in (select version_id from runtime_pin)"

    def sql(statement: str) -> Callable[[], None]:
        return lambda: _unguarded(people, statement)

    hour, vendors = "clock_timestamp() + interval '1 hour'", "update runtime_vendorstate set "
    expired = "update governance_approval set valid_until = "
    spent = vendors + "budget = 1, spent = 1, spent_on = (clock_timestamp() at time zone 'UTC')::date"
    return {
        "approval void": (people.void, people.deploy),
        "paused": (people.pause, people.resume),
        "frozen": (people.freeze, people.thaw),
        "approval expired": (sql(expired + "clock_timestamp() - interval '1 s'"), sql(expired + "null")),
        "digest differs": (sql("update governance_approval set digest = 'sha256:' || repeat('0', 64)"), people.deploy),
        "past sunset": (
            sql(pins.format("sunset_at = clock_timestamp() - interval '1 s'")),
            sql(pins.format("sunset_at = null")),
        ),
        "retired": (
            sql(pins.format("state = 'retired', retired_at = clock_timestamp()")),
            sql(pins.format("state = 'published', retired_at = null")),
        ),
        "ended": (
            sql("update runtime_deployment set active = false, ended_at = clock_timestamp() where active"),
            people.deploy,
        ),
        "closed": (
            sql("update runtime_subscription set open = false"),
            sql("update runtime_subscription set open = true"),
        ),
        "breaker open": (
            sql(f"{vendors} breaker = 'open', open_until = {hour}"),
            sql(vendors + "breaker = 'closed', open_until = 'epoch'"),
        ),
        "told to wait": (sql(f"{vendors} not_before = {hour}"), sql(vendors + "not_before = 'epoch'")),
        "budget spent": (sql(spent), sql(vendors + "budget = null")),
    }


def _try(conn: Any, r: random.Random, lanes: list[tuple[int, int]]) -> bool:
    """One way in, by chance. Answers whether work was taken."""
    from runtime.ledger.claims import claim
    from runtime.ledger.quarantine_claims import claim_quarantined

    subscription, lane = r.choice(lanes)
    raw = (
        "update runtime_progress "
        "set token = token + 1, owner = 'thief', lease_until = clock_timestamp() + interval '9 s' "
        "where subscription_id = %s and lane = %s",
        "update runtime_progress set token = token + 1, owner = 'thief' where subscription_id = %s and lane = %s",
        "update runtime_progress set owner = 'thief' where subscription_id = %s and lane = %s",
        "update runtime_progress "
        "set token = token + 1, ask_only = true, owner = 'thief' "
        "where subscription_id = %s and lane = %s",
        "update runtime_quarantine set token = token + 1, state = 'sending' where subscription_id = %s and lane = %s",
    )
    way = r.randrange(len(raw) + 2)
    try:
        if way == len(raw):
            return claim(conn, owner="thief") is not None
        if way == len(raw) + 1:
            return claim_quarantined(conn) is not None
        return bool(conn.execute(raw[way], (subscription, lane)).rowcount)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation):
        return False


def r5(seed: int, scale: float) -> dict[str, Any]:
    tries, options, r = int(10_000 * scale), QUIET, random.Random(seed)
    with campaign(options, seed) as made:
        from runtime.ledger import connections
        from runtime.services import intake

        made.people.deploy()
        plan = Plan(seed, 0, 4)
        for integration, items in plan.batch(1):
            intake.accept(integration, "production", items)
        lanes = [tuple(row) for row in made.people.sql("select subscription_id, lane from runtime_progress")]
        through: Counter[str] = Counter()
        closures = _closures(made)
        controls = 0
        with connections.connected(name="thief") as conn:
            for shut, reopen in closures.values():
                shut()
                name = next(n for n, pair in closures.items() if pair[0] is shut)
                for _ in range(-(-tries // len(closures))):
                    through[name] += _try(conn, r, lanes)  # type: ignore[arg-type]
                reopen()
                from runtime.ledger.claims import claim, release

                taken = claim(conn, owner="honest")  # the door is not simply nailed up
                controls += taken is not None
                if taken is not None:
                    release(conn, taken)
        count = sum(through.values())
        return {
            "goal": "R5",
            "ok": count == 0 and controls == len(closures),
            "tries": -(-tries // len(closures)) * len(closures),
            "through": count,
            "kinds_closed": list(closures),
            "claims_after_reopening": controls,
        }


# -- R6 ----------------------------------------------------------------------------------------------------------------

PAIRS = 5


@dataclass(slots=True)
class _Others:
    """One round of R6: seconds from intake to effect of every message but the poison itself. `aside` of them shared its
    batch."""

    seconds: list[float]
    aside: int
    ended: int
    wrong: dict[str, int]
    letters: list[list[Any]]

    def at(self, share: float) -> float:
        return self.seconds[min(len(self.seconds) - 1, int(len(self.seconds) * share))]


class _Poisoned(Round):
    poison: set[str] = set()

    def _spawn_worker(self, slot: str, *, calm: bool = False) -> None:
        assert self.installation.processes is not None
        self.installation.processes.spawn(slot, "worker", poison=sorted(self.poison))


def _others(made: Campaign, options: Options, seed: int, *, poisoned: bool) -> _Others:
    sql = made.people.sql
    one = _Poisoned(made.installation, made.people, options, seed, False, True)
    one.poison = {one.plans[0].sale(options.batches // 3, 3)} if poisoned else set()
    one.vendor_faults.excused |= one.poison
    verdict = one.run()
    stored = {
        ref: (at, (stream, lane, position))
        for ref, at, stream, lane, position in sql(
            "select payload ->> 'id', extract(epoch from received_at)::float8, stream_id, lane, position "
            "from runtime_message "
            "where payload ->> 'id' like %s",
            f"{seed}/%",
        )
    }
    aside = sql(
        """select s.stream_id, d.lane, d.first, d.last
           from runtime_delivery d
           join runtime_subscription s on s.id = d.subscription_id
            where d.outcome = 'aside' and d.at >= to_timestamp(%s)""",
        min(at for at, _ in stored.values()),
    )
    begun = (
        min(at for at, _ in stored.values()) + WARM_UP
    )  # processes start with the load: what waits for them says nothing about poison
    seconds, shared = [], 0
    for entry in _entries(made):
        at, (stream, lane, position) = stored.get(entry.ref, (0.0, (0, 0, 0)))
        if at >= begun and entry.ref not in one.poison:
            seconds.append(second(entry) - at)
            shared += any(s == stream and here == lane and first <= position <= last for s, here, first, last in aside)
    letters = sql(
        """select q.state, q.reason_class, q.reason, q.attempt
           from runtime_quarantine q
           join runtime_subscription s on s.id = q.subscription_id
             join runtime_message m on m.stream_id = s.stream_id and m.lane = q.lane and m.position = q.position
             where m.payload ->> 'id' = any(%s)""",
        sorted(one.poison),
    )
    wrong = {kind: count for kind, count in verdict.counts().items() if count}
    return _Others(sorted(seconds), shared, _workers_ended(made), wrong, [list(row) for row in letters])


def _workers_ended(made: Campaign) -> int:
    """How many workers have ended in the present round before it was over."""
    count = 0
    for line in made.installation.history.path.read_text().splitlines():
        said = json.loads(line)
        if said["event"] == "round":
            count = 0
        count += said["event"] == "ended" and said["slot"].startswith("worker")
    return count


def r6(seed: int, scale: float) -> dict[str, Any]:
    """Rounds without and with poison in turn, each with a seed of its own and all of one length. Nothing is left out
    but the poison itself. Met when the median of the rounds' p99 rises by no more than a tenth, and every poison became
    a dead letter."""
    options = replace(QUIET, batches=int(300 * scale), till_pause=0.1, workers=3)
    without: list[_Others] = []
    with_it: list[_Others] = []
    with campaign(options, seed) as made:
        for pair in range(PAIRS):
            without.append(_others(made, options, seed + 2 * pair, poisoned=False))
            with_it.append(_others(made, options, seed + 2 * pair + 1, poisoned=True))
    medians = [statistics.median(one.at(0.99) for one in rounds) for rounds in (without, with_it)]
    pooled = [_Others(sorted(s for one in rounds for s in one.seconds), 0, 0, {}, []) for rounds in (without, with_it)]
    ratio = medians[1] / medians[0]
    quarantined = sum(one.letters != [] and {state for state, *_ in one.letters} == {"dead"} for one in with_it)
    wrong = [one.wrong for one in (*without, *with_it) if one.wrong]
    noise = [one.at(0.99) for one in without]

    def each(share: float) -> dict[str, list[float]]:
        return {
            name: [round(one.at(share), 3) for one in rounds]
            for name, rounds in (("without", without), ("with", with_it))
        }

    return {
        "goal": "R6",
        "ok": not wrong and quarantined == PAIRS and ratio <= 1.1,
        "pairs": PAIRS,
        "p99_ratio": round(ratio, 2),
        "p99_s_median_without_and_with": [round(m, 3) for m in medians],
        "p99_s": each(0.99),
        "p50_s": each(0.5),
        "max_s": each(1.0),
        "p99_s_of_all_rounds_together": [round(one.at(0.99), 3) for one in pooled],
        "spread_of_p99_without": round((max(noise) - min(noise)) / medians[0], 2),
        "others": [len(one.seconds) for one in pooled],
        "others_set_aside_with_it": sum(one.aside for one in with_it),
        "share_set_aside": round(sum(one.aside for one in with_it) / len(pooled[1].seconds), 4),
        "workers_ended": [one.ended for one in with_it],
        "workers_ended_without": [one.ended for one in without],
        "quarantined": quarantined,
        "letters": [one.letters for one in with_it],
        "wrong": wrong,
    }


# -- R7 ----------------------------------------------------------------------------------------------------------------


def r7(seed: int, scale: float) -> dict[str, Any]:
    count = int(1_000_000 * scale)
    options = replace(QUIET, batches=1)
    with campaign(options, seed) as made:
        from runtime.ledger import connections
        from runtime.ledger.append import IncomingMessage, append
        from runtime.ledger.streams import load_stream
        from runtime.models import TargetSubscription
        from runtime.services import replays
        from runtime.worker.loop import WorkerLoop

        made.installation.vendors.begin("replay", blind=True)
        made.people.batch = 500
        made.people.deploy()
        subscription = TargetSubscription.objects.get(
            stream__integration__key=SALES, target="erp-sales", replay_of=None
        )
        plan = Plan(seed, 0, count // 10 + 1)
        stored = time.perf_counter()
        with connections.connected(name="fill") as conn:
            stream = load_stream(conn, subscription.stream_id)
            done = 0
            while done < count:
                sales = [s for n in range(done // 10, (min(count, done + 5000)) // 10) for s in plan._sales(n)]
                append(
                    conn,
                    stream,
                    [IncomingMessage(s["id"], 0, json.dumps(s).encode()) for s in sales],
                    release_id=subscription.deployment.release_id,
                )
                done += 5000
            conn.execute(
                "update runtime_progress p set position = l.next - 1 from runtime_lane l "
                "where p.subscription_id = %s and l.stream_id = %s and l.lane = p.lane",
                (subscription.pk, stream.id),
            )
            spans = {
                lane: (1, following - 1)
                for lane, following in conn.execute(
                    "select lane, next from runtime_lane where stream_id = %s and next > 1", (stream.id,)
                ).fetchall()
            }
        stored = time.perf_counter() - stored
        hashes, rates = [], []
        for number in range(2):
            replay = replays.open_replay(
                subscription.pk, spans=spans, dry=True, pace=None, actor=None, reason=f"run {number}"
            )
            started = time.perf_counter()
            WorkerLoop(collect=False, poll=0.05).run(until_idle=True)
            rates.append(count / (time.perf_counter() - started))
            rows = made.people.sql(
                "select lane, first, last, refs::text "
                "from runtime_delivery "
                "where subscription_id = %s "
                "order by lane, first",
                replay.pk,
            )
            covered = sum(last - first + 1 for _, first, last, _ in rows)
            hashes.append((hashlib.sha256(repr(rows).encode()).hexdigest(), covered))
        outside = len(_entries(made))
        same = hashes[0] == hashes[1] and hashes[0][1] == sum(last - first + 1 for first, last in spans.values())
        return {
            "goal": "R7",
            "ok": same and not outside and min(rates) >= 5000,
            "messages": count,
            "same_state_hash": same,
            "hash": hashes[0][0][:16],
            "effects_outside": outside,
            "replayed_per_s": [round(rate) for rate in rates],
            "processes": 1,
            "filled_in_s": round(stored, 1),
        }


RUNS: dict[str, Callable[[int, float], dict[str, Any]]] = {"r2": r2, "r3": r3, "r4": r4, "r5": r5, "r6": r6, "r7": r7}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("goal", type=str.lower, choices=[*RUNS, "all"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="how much of the full size")
    given = parser.parse_args()
    names = list(RUNS) if given.goal == "all" else [given.goal]
    if len(names) > 1:  # settings and servers belong to one process each
        import subprocess

        return max(
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "tests.faults.resilience",
                    name,
                    "--seed",
                    str(given.seed),
                    "--scale",
                    str(given.scale),
                ]
            ).returncode
            for name in names
        )
    result = RUNS[names[0]](given.seed, given.scale)
    print(json.dumps(result), flush=True)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
