"""Faults on demand: rules that match operations, drawn from a seed, so that the same calls meet the same faults.

A rule (JSON given to `/_control` as `{"faults": [rule, …]}`):

    kind         latency | status | cut_before | cut_after | cut_prefix | hang | offline | warning | lie | slow | async
    ops          operation names, or `writes`, `reads`, `all`; default `all`, for kinds that need an effect `writes`
    stores       store numbers the rule is for (store servers only); default all
    holding      texts: only calls whose body holds one of them, each as a whole JSON string
    next         how many matching calls are hit before the rule is used up; default no end
    after        how many matching calls pass untouched first; default 0
    rate         probability for each call, drawn from the seed; default 1
    status       for kind status: 429, 503, …; `retry_after` seconds (429 and 503 before acting carry `Retry-After`)
    ms           a number or [from, to]; latency: every answer waits so long; slow: the effect comes so much later,
                 whether or not the caller still waits, and questions before that find nothing; async: the call is
                 answered 202 with a job at once, the effect comes so much later, questions before that find it pending
    items        for cut_prefix: how many items take effect (default: drawn from the seed, 0 to all)
    when         for status, lie and hang: `before` (default) or `after` acting. A status after acting is a proxy's:
                 the server behind it did the work. A hang ends by `{"release": true}` or the caller's deadline
    lie          for lie: one of `sandbox.lies.LIES`, or several, drawn from the seed; default all
    refuse       for async: the share of jobs that end refused, without an effect; default 0
    message      for warning: text of the `sap-message` header
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from sandbox.lies import LIES

KINDS = (
    "latency",
    "status",
    "cut_before",
    "cut_after",
    "cut_prefix",
    "hang",
    "offline",
    "warning",
    "lie",
    "slow",
    "async",
)
ON_WRITES = ("cut_after", "cut_prefix", "lie", "slow", "async")
WRITES, READS, ALL = "writes", "reads", "all"


class BadControl(ValueError):
    """A control request that cannot be understood; the text goes to the caller."""


@dataclass
class Rule:
    kind: str
    ops: tuple[str, ...] = (ALL,)
    stores: frozenset[str] | None = None
    holding: tuple[str, ...] = ()
    next: int | None = None
    after: int = 0
    rate: float = 1.0
    status: int = 503
    retry_after: float | None = None
    ms: tuple[float, float] = (0.0, 0.0)
    items: int | None = None
    when: str = "before"
    lie: tuple[str, ...] = LIES
    refuse: float = 0.0
    message: str = "The document was changed with a warning"
    hits: int = 0
    random: random.Random = field(default_factory=lambda: random.Random(0), repr=False)

    def matches(self, operation: str, *, write: bool, store: str | None, body: bytes = b"") -> bool:
        if self.stores is not None and store not in self.stores:
            return False
        if self.holding and not any(f'"{text}"'.encode() in body for text in self.holding):
            return False
        return any(op in (ALL, operation) or op == (WRITES if write else READS) for op in self.ops)

    def fires(self) -> bool:
        """Whether this matching call is drawn.

        Every matching call draws once, so draws do not depend on other rules.
        """
        if self.next is not None and self.hits >= self.next:
            return False
        drawn = self.rate >= 1.0 or self.random.random() < self.rate
        if self.after > 0:
            self.after -= 1
            return False
        return drawn

    def end(self, decision: Decision) -> None:
        """How the call ends."""
        decision.rule, decision.acts = self, self.when == "after"
        if self.kind == "status":
            decision.status, decision.retry_after = self.status, None if decision.acts else self.retry_after
        elif self.kind == "hang":
            decision.hang = self.when
        elif self.kind == "lie":
            decision.lie = self.random.choice(self.lie)
        elif self.kind == "slow":
            decision.slow = self.random.uniform(*self.ms) / 1000
        elif self.kind == "async":
            decision.job = self.random.uniform(*self.ms) / 1000
            decision.refuse = self.random.random() < self.refuse
        else:
            decision.cut = {"cut_after": "after", "cut_prefix": "prefix"}.get(self.kind, "before")

    def describe(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "ops": list(self.ops),
            "stores": sorted(self.stores) if self.stores is not None else None,
            "next": self.next,
            "rate": self.rate,
            "hits": self.hits,
        }


@dataclass
class Decision:
    """What happens to one call. At most one of status, cut, hang, lie, slow and async; latency and warning may come on
    top.
    """

    latency: float = 0.0
    status: int | None = None
    retry_after: float | None = None
    cut: str | None = None  # "before" | "after" | "prefix"
    hang: str | None = None  # "before" | "after"
    lie: str | None = None
    acts: bool = False  # for status and lie: whether the work is done before the answer is given
    slow: float = 0.0  # seconds until the effect
    job: float | None = None  # seconds until the job that is answered for ends
    refuse: bool = False  # whether that job ends without an effect
    warning: str | None = None
    rule: Rule | None = None

    def prefix(self, count: int) -> int:
        """How many of `count` items may take effect."""
        if self.cut != "prefix" or self.rule is None:
            return count
        if self.rule.items is not None:
            return min(self.rule.items, count)
        return self.rule.random.randint(0, count)


class FaultPlan:
    def __init__(self, seed: int) -> None:
        self.seed, self._made = seed, 0
        self.rules: list[Rule] = []

    def reseed(self, seed: int) -> None:
        """Start over with a new seed: rules are cleared, so that the same rules then meet the same draws."""
        self.seed, self._made = seed, 0
        self.rules.clear()

    def add(self, spec: dict[str, Any]) -> Rule:
        rule = parse_rule(spec)
        self._made += 1
        rule.random = random.Random(f"{self.seed}:{self._made}")
        self.rules.append(rule)
        return rule

    def clear(self, kind: str | None = None) -> None:
        self.rules = [rule for rule in self.rules if kind is not None and rule.kind != kind]

    @property
    def reads_bodies(self) -> bool:
        return any(rule.holding for rule in self.rules)

    def decide(self, operation: str, *, write: bool, store: str | None = None, body: bytes = b"") -> Decision:
        decision = Decision()
        for rule in self.rules:
            if not rule.matches(operation, write=write, store=store, body=body) or not rule.fires():
                continue
            additive = rule.kind in ("latency", "warning")
            if not additive and decision.rule is not None:
                continue  # one end per call: this rule keeps its turn for the next one
            rule.hits += 1
            if rule.kind == "latency":
                decision.latency += rule.random.uniform(*rule.ms) / 1000
            elif rule.kind == "warning":
                decision.warning = rule.message
            else:
                rule.end(decision)
        if self.rules:
            self.rules = [rule for rule in self.rules if rule.next is None or rule.hits < rule.next]
        return decision


def parse_rule(spec: dict[str, Any]) -> Rule:
    known = {
        "kind",
        "ops",
        "stores",
        "holding",
        "next",
        "after",
        "rate",
        "status",
        "retry_after",
        "ms",
        "items",
        "when",
        "lie",
        "refuse",
        "message",
    }
    if not isinstance(spec, dict) or spec.get("kind") not in KINDS:
        given = spec.get("kind") if isinstance(spec, dict) else spec
        raise BadControl(f"a fault needs a kind, one of {', '.join(KINDS)}; got {given!r}")
    if unknown := set(spec) - known:
        raise BadControl(f"unknown fault field {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    values = dict(spec)
    default = (WRITES,) if values["kind"] in ON_WRITES else (ALL,)
    ops = values.get("ops", default)
    values["ops"] = (ops,) if isinstance(ops, str) else tuple(ops)
    if values.get("stores") is not None:
        stores = values["stores"]
        values["stores"] = frozenset(str(store) for store in (stores if isinstance(stores, list) else [stores]))
    if "holding" in values:
        held = values["holding"]
        values["holding"] = tuple(str(text) for text in (held if isinstance(held, list) else [held]))
    if "ms" in values:
        ms = values["ms"]
        values["ms"] = tuple(ms) if isinstance(ms, list) else (ms, ms)
    if values.get("when", "before") not in ("before", "after"):
        raise BadControl("`when` is before or after")
    if "lie" in values:
        values["lie"] = (values["lie"],) if isinstance(values["lie"], str) else tuple(values["lie"])
        if not values["lie"] or set(values["lie"]) - set(LIES):
            raise BadControl(f"a lie is one of {', '.join(LIES)}; got {spec['lie']!r}")
    if values["kind"] == "status" and values.get("status", 503) in (429, 503):
        values.setdefault("retry_after", 1)
    return Rule(**values)
