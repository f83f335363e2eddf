"""Compares what the tills pushed with what the vendors' own journals and the target table show. Our delivery tables are
never the evidence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from sandbox.journal import Entry
from tests.faults.load import FACT_TARGETS, PREFIXES, STORES, TABLE, FactTarget, Plan, refused_from
from tests.faults.product import People


@dataclass(slots=True)
class Verdict:
    """Counts that must all be zero, with a few examples each."""

    lost: int = 0
    twice: int = 0
    disorder: int = 0
    unauthorised: int = 0
    unknown: int = 0
    untrue: int = 0
    held_up: int = 0
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    facts: dict[str, Any] = field(default_factory=dict)

    KINDS = ("lost", "twice", "disorder", "unauthorised", "unknown", "untrue", "held_up")

    def add(self, kind: str, example: str, count: int = 1) -> None:
        setattr(self, kind, getattr(self, kind) + count)
        if len(self.examples[kind]) < 5:
            self.examples[kind].append(example)

    @property
    def clean(self) -> bool:
        return not any(getattr(self, kind) for kind in self.KINDS)

    def counts(self) -> dict[str, int]:
        return {kind: getattr(self, kind) for kind in self.KINDS}


def second(entry: Entry) -> float:
    return datetime.fromisoformat(entry.at).timestamp()


@dataclass(frozen=True, slots=True)
class Allowed:
    """What of a round may rightly wait for a person: `poison` holds sales that the ERP fails for ever, `excused` sales
    that may wait at every target; `forgotten` says that the vendor of class K forgot its keys while something was
    open."""

    poison: frozenset[str] = frozenset()
    excused: frozenset[str] = frozenset()
    forgotten: bool = False
    refused_jobs: dict[str, str] = field(default_factory=dict)
    said_taken: dict[str, str] = field(default_factory=dict)

    def waits(self, target: FactTarget, sale: str, states: Collection[str] = ()) -> bool:
        first = next((one for one in FACT_TARGETS if one.name == target.after), None)
        return (
            (target.idempotency == "U" and "dead" not in states)
            or (first is not None and self.waits(first, sale))
            or (target.idempotency == "K" and self.forgotten)
            or (target.name == "erp-sales" and sale in self.poison)
            or sale in self.excused
            or any(
                f'"{target.prefix}{sale}"' in bodies.get(target.journal, "")
                for bodies in (self.refused_jobs, self.said_taken)
            )
        )

    def goes_on(self, sales: Iterable[str]) -> set[str]:
        """Of these sales those that may still be tried or asked about when everything else is at rest."""
        taken = "".join([*self.said_taken.values(), *self.refused_jobs.values()])
        open_ones = {sale for sale in sales for prefix in ("", *PREFIXES) if f'"{prefix}{sale}"' in taken}
        return {*self.poison, *open_ones}


def judge(
    plans: list[Plan],
    journals: dict[str, list[Entry]],
    people: People,
    *,
    grace: float,
    rest: bool,
    allowed: Allowed = Allowed(),
) -> Verdict:
    """`grace`: how long, in seconds, a call may still be under way after its permission has ended."""
    verdict = Verdict()
    seed = plans[0].seed
    if not rest:
        verdict.add("unknown", "work did not come to rest")
    waiting = _parked(people, seed)
    for target in FACT_TARGETS:
        _facts(verdict, plans, target, journals[target.journal], people, waiting, allowed)
    _after(verdict, journals)
    _counted(verdict, people)
    _prices(verdict, plans, journals["stores"], waiting)
    _table(verdict, plans, people, waiting)
    builds = [(second(e), made) for entries in journals.values() for e in entries if (made := _build(e)) is not None]
    for at, build in builds:
        if not people.permitted(build, at, before=0.2, after=grace):
            verdict.add("unauthorised", f"build {build} acted at {at:.2f}, allowed {people.permits[build]}")
    _grants(verdict, people)
    _tiles(verdict, people)
    verdict.facts["effects"] = len(builds)
    return verdict


def _parked(people: People, seed: int) -> dict[tuple[str, str], list[tuple[str, str, str, int]]]:
    """(target and instance, id of the document) → (state, reason class, reason, version)."""
    found: dict[tuple[str, str], list[tuple[str, str, str, int]]] = defaultdict(list)
    for target, identity, version, state, reason_class, reason in people.sql(
        """select s.target || s.instance, m.payload ->> 'id', coalesce((m.payload ->> 'version')::int, 0), q.state,
           q.reason_class, q.reason
             from runtime_quarantine q join runtime_subscription s on s.id = q.subscription_id
                  join runtime_message m on m.stream_id = s.stream_id and m.lane = q.lane and m.position = q.position
            where m.payload ->> 'id' like %s or m.payload ->> 'id' like %s order by q.position""",
        f"{seed}/%",
        f"p{seed}-%",
    ):
        found[target, identity].append((state, reason_class, reason, version))
    return found


def _build(entry: Entry) -> int | None:
    """The release that an effect carries; None for effects that are not the product's."""
    data = entry.data or {}
    match entry.effect:
        case "sale.posted" | "points.earned":
            said = entry.entity or ""
        case "salesorder.created":
            said = data["header"]["ExternalDocumentID"]
        case "price.applied":
            said = data["build"]
        case _:
            return None
    return int(said.removeprefix("build "))


def _facts(
    verdict: Verdict,
    plans: list[Plan],
    target: FactTarget,
    entries: list[Entry],
    people: People,
    waiting: dict[Any, Any],
    allowed: Allowed,
) -> None:
    """Every sale that is for the target took effect once, or waits visibly where it may.

    What has passed by the product's own evidence, waits nowhere and is not in the journal was confirmed by the product
    and by nobody else: lost.
    """
    happened = Counter(
        (e.ref or "").removeprefix(target.prefix)
        for e in entries
        if e.effect == target.effect and target.names(e.ref or "")
    )
    expected = set().union(*(plan.expected_sales(target.gets) for plan in plans))
    passed = _passed(people, target, plans[0].seed)
    with_a_person = 0
    for sale in expected:
        rows = waiting.get((target.name, sale), [])
        if rows and allowed.waits(target, sale, [state for state, *_ in rows]):
            with_a_person += 1
        elif rows and happened[sale]:
            _waits_though_done(verdict, f"{target.name} {sale}", rows)
        elif rows:
            verdict.add("unknown", f"{target.name} {sale} waits though nothing keeps it: {rows}")
        elif not happened[sale] and sale in passed and not passed[sale]:
            verdict.add("unknown", f"{target.name} {sale} is still on its way")
        elif not happened[sale]:
            how = "was confirmed by the product alone" if sale in passed else "is not in the log"
            verdict.add("lost", f"{target.name} {sale} {how}")
    people.effects[target.name] += len(happened)
    _doubles(verdict, target.name, happened)
    for sale in set(happened) - expected:
        verdict.add("twice", f"{target.name} {sale} was never pushed")
    verdict.facts["sales" if target.name == "erp-sales" else target.name] = len(expected)
    if with_a_person:
        verdict.facts[f"{target.name} with a person"] = with_a_person


def _counted(verdict: Verdict, people: People) -> None:
    """The page of daily totals, over all rounds so far: what it calls delivered, against the journals."""
    for target, delivered in people.counted().items():
        if target in people.effects and delivered > people.effects[target]:
            said = f"{delivered} delivered by the page of daily totals, {people.effects[target]} in the journals"
            verdict.facts[f"{target} counts"] = said


def _passed(people: People, target: FactTarget, seed: int) -> dict[str, bool]:
    """The sales in the log, and whether the target's progress has passed them."""
    return dict(
        people.sql(
            """select m.payload ->> 'id', m.position <= p.position
                 from runtime_message m
                      join runtime_subscription s on s.stream_id = m.stream_id and s.target = %s
                       and s.replay_of_id is null
                      join runtime_progress p on p.subscription_id = s.id and p.lane = m.lane
                where m.payload ->> 'id' like %s""",
            target.name,
            f"{seed}/%",
        )
    )


def _waits_though_done(verdict: Verdict, what: str, rows: Iterable[Any]) -> None:
    """A document of another release under the same natural key is a conflict that a person must see; everything else is
    not."""
    for state, reason_class, reason, _ in rows:
        if "conflict" in reason or "other content" in reason:
            verdict.facts["conflicts shown to a person"] = verdict.facts.get("conflicts shown to a person", 0) + 1
        else:
            verdict.add("unknown", f"{what} took effect and is {state} {reason_class} {reason}")


def _after(verdict: Verdict, journals: dict[str, list[Entry]]) -> None:
    """A target that says `after` has acted only where the other one had acted before."""
    for target in FACT_TARGETS:
        if (first := next((one for one in FACT_TARGETS if one.name == target.after), None)) is None:
            continue
        there = {e.ref: e.at for e in reversed(journals[first.journal]) if e.effect == first.effect}
        for e in journals[target.journal]:
            if e.effect == target.effect and target.names(e.ref or "") and e.at < there.get(e.ref, "z"):
                verdict.add("disorder", f"{target.name} {e.ref} at {e.at} before {first.name}")


def _doubles(verdict: Verdict, what: str, counted: Counter[Any]) -> None:
    for key, count in counted.items():
        if count > 1:
            verdict.add("twice", f"{what} {key} {count} times", count - 1)


def _prices(verdict: Verdict, plans: list[Plan], stores: list[Entry], waiting: dict[Any, Any]) -> None:
    applied: dict[str, list[int]] = defaultdict(list)
    for e in stores:
        if e.effect == "price.applied" and e.entity is not None and e.version is not None:
            applied[e.entity].append(e.version)
    count = 0
    for plan in plans:
        for item, newest in plan.expected_prices().items():
            wrong = refused_from(item)
            last = newest if wrong is None else min(newest, wrong - 1)
            count += newest * len(STORES)
            for store in STORES:
                got = applied.pop(f"{store}/price/{item}", [])
                parked = waiting.get((f"store-prices{store}", item), [])
                if lost := set(range(1, last + 1)) - set(got):
                    verdict.add("lost", f"store {store} {item}@{sorted(lost)[:5]}: {parked[:2]}", len(lost))
                if extra := set(got) - set(range(1, last + 1)):
                    verdict.add(
                        "disorder", f"store {store} {item}@{sorted(extra)[:5]} overtook a refused one", len(extra)
                    )
                _doubles(verdict, f"store {store} {item}@", Counter(got))
                if backwards := sum(b < a for a, b in pairwise(got)):
                    verdict.add("disorder", f"store {store} {item}: {got}", backwards)
                for state, reason_class, reason, version in parked:
                    if version <= last:
                        verdict.add("unknown", f"store {store} {item}@{version} is {state} {reason_class} {reason}")
    for entity in applied:
        if "/price/o" not in entity:  # the offers' own judge: `source_faults.py`
            verdict.add("twice", f"{entity} was never pushed")
    verdict.facts["prices"] = count


def _table(verdict: Verdict, plans: list[Plan], people: People, waiting: dict[Any, Any]) -> None:
    rows = dict(people.sql(f"select id, version from {TABLE} where id like %s", f"p{plans[0].seed}-%"))
    for plan in plans:
        for item, newest in plan.expected_prices().items():
            if rows.get(item) != newest:
                verdict.add(
                    "lost", f"table {item}: {rows.get(item)} instead of {newest}, {waiting.get(('price-copy', item))}"
                )


def _grants(verdict: Verdict, people: People) -> None:
    """Every token and every intent, as a trigger of the campaign's own saw it, against the list of decisions."""
    late: list[float] = []
    count = 0
    for subscription, lane, release, at, ended in people.sql(
        "select subscription, lane, release, extract(epoch from at)::float8, late "
        "from campaign_grant "
        "where not ask_only "
        "order by at"
    ):
        count += 1
        at, build = people.installation.servers.clock.ours(at), people.builds.get(release)
        if ended is not None:  # since the lane was due: its lease over, its vendor to be called again, its gate open
            opened = [begin for begin, _ in people.permits.get(build or 0, []) if begin <= at]
            late.append(min(ended, at - max(opened)) if opened else ended)
        if build is not None and not people.permitted(build, at, before=0.2, after=2.0):
            verdict.add(
                "unauthorised", f"subscription {subscription} lane {lane} took work as build {build} at {at:.2f}"
            )
    late.sort()
    verdict.facts["grants"] = count
    verdict.facts["takeovers"] = len(late)
    if late:
        verdict.facts["takeover_p50_s"], verdict.facts["takeover_p99_s"] = (
            round(late[int(len(late) * q)], 2) for q in (0.5, 0.99)
        )
    people.sql("delete from campaign_grant")


def _tiles(verdict: Verdict, people: People) -> None:
    """Evidence of each lane covers every position once."""
    bad = people.sql(
        """select subscription_id, lane, before, first from (
             select subscription_id,
                    lane,
                    first,
                    lag(last, 1, 0::bigint) over (partition by subscription_id, lane order by id) as before
               from runtime_delivery) e
            where first <> before + 1 limit 5"""
    )
    for subscription, lane, before, first in bad:
        verdict.add(
            "lost" if first > before + 1 else "twice",
            f"evidence of {subscription}/{lane} goes from {before} to {first}",
        )
