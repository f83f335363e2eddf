"""Faults on demand: rules that match operations, drawn from a seed, so that the same calls meet the same faults.

A rule (JSON given to `/_control` as `{"faults": [rule, …]}`):

    kind         latency | status | cut_before | cut_after | cut_prefix | hang | offline | warning
    ops          operation names, or `writes`, `reads`, `all`; default `all`, for cut_after and cut_prefix `writes`
    stores       store numbers the rule is for (store servers only); default all
    next         how many matching calls are hit before the rule is used up; default no end
    after        how many matching calls pass untouched first; default 0
    rate         probability for each call, drawn from the seed; default 1
    status       for kind status: 429, 503, …; `retry_after` seconds (429 and 503 carry `Retry-After`)
    ms           for latency: a number or [from, to]
    items        for cut_prefix: how many items take effect (default: drawn from the seed, 0 to all)
    when         for hang: `before` (default) or `after` acting; ends by `{"release": true}` or the caller's deadline
    message      for warning: text of the `sap-message` header
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

KINDS = ("latency", "status", "cut_before", "cut_after", "cut_prefix", "hang", "offline", "warning")
WRITES, READS, ALL = "writes", "reads", "all"


class BadControl(ValueError):
    """A control request that cannot be understood; the text goes to the caller."""


@dataclass
class Rule:
    kind: str
    ops: tuple[str, ...] = (ALL,)
    stores: frozenset[str] | None = None
    next: int | None = None
    after: int = 0
    rate: float = 1.0
    status: int = 503
    retry_after: float | None = None
    ms: tuple[float, float] = (0.0, 0.0)
    items: int | None = None
    when: str = "before"
    message: str = "The document was changed with a warning"
    hits: int = 0
    random: random.Random = field(default_factory=lambda: random.Random(0), repr=False)

    def matches(self, operation: str, *, write: bool, store: str | None) -> bool:
        if self.stores is not None and store not in self.stores:
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
    """What happens to one call. At most one of status, cut and hang; latency and warning may come on top."""

    latency: float = 0.0
    status: int | None = None
    retry_after: float | None = None
    cut: str | None = None  # "before" | "after" | "prefix"
    hang: str | None = None  # "before" | "after"
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

    def decide(self, operation: str, *, write: bool, store: str | None = None) -> Decision:
        decision = Decision()
        for rule in self.rules:
            if not rule.matches(operation, write=write, store=store) or not rule.fires():
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
                decision.rule = rule
                if rule.kind == "status":
                    decision.status, decision.retry_after = rule.status, rule.retry_after
                elif rule.kind == "hang":
                    decision.hang = rule.when
                else:
                    decision.cut = {"cut_after": "after", "cut_prefix": "prefix"}.get(rule.kind, "before")
        if self.rules:
            self.rules = [rule for rule in self.rules if rule.next is None or rule.hits < rule.next]
        return decision


def parse_rule(spec: dict[str, Any]) -> Rule:
    known = {
        "kind",
        "ops",
        "stores",
        "next",
        "after",
        "rate",
        "status",
        "retry_after",
        "ms",
        "items",
        "when",
        "message",
    }
    if not isinstance(spec, dict) or spec.get("kind") not in KINDS:
        given = spec.get("kind") if isinstance(spec, dict) else spec
        raise BadControl(f"a fault needs a kind, one of {', '.join(KINDS)}; got {given!r}")
    if unknown := set(spec) - known:
        raise BadControl(f"unknown fault field {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    values = dict(spec)
    default = (WRITES,) if values["kind"] in ("cut_after", "cut_prefix") else (ALL,)
    ops = values.get("ops", default)
    values["ops"] = (ops,) if isinstance(ops, str) else tuple(ops)
    if values.get("stores") is not None:
        stores = values["stores"]
        values["stores"] = frozenset(str(store) for store in (stores if isinstance(stores, list) else [stores]))
    if "ms" in values:
        ms = values["ms"]
        values["ms"] = tuple(ms) if isinstance(ms, list) else (ms, ms)
    if values.get("when", "before") not in ("before", "after"):
        raise BadControl("`when` is before or after")
    if values["kind"] == "status" and values.get("status", 503) in (429, 503):
        values.setdefault("retry_after", 1)
    return Rule(**values)
