"""Policies as data: which change needs which checks and approvals, and why.

A document is a list of rules. A rule that matches adds slots and checks, and none removes any, so a lower level can
only tighten. Of `approval_days` and `review_days` the smallest value counts; a lower level with a larger one is
refused, because it would have no effect. Of `rights_rest_hours` the largest counts: for so long a right or a password
that somebody gave fills no slot (REST_HOURS where no level says). Levels: `organisation`, then `domain:<key>`, then
`team:<key>`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kernel.digest import PREFIX
from kernel.errors import Invalid, finding

SLOT_KEYS = ("owner", "owner_of_record", "architect", "security", "release_manager", "consumer_owner")
CONDITIONS = (
    "kinds",
    "environments",
    "tiers",
    "data_classes",
    "entities",
    "consumers_at_least",
    "breaking",
    "unknown_impact",
)
MAX_RULES = 200
REST_HOURS = 24
MAX_REST_HOURS = 720


@dataclass(frozen=True, slots=True)
class ChangeProfile:
    """What the conditions of a policy look at. None is unknown and matches each condition on it: unknown adds
    approvals.
    """

    kind: str
    environment: str
    tier: int | None
    data_class: str | None
    entities: tuple[str, ...]
    consumers: int | None
    breaking: int | None


@dataclass(frozen=True, slots=True)
class RequiredSlot:
    """`count` approvals for the slot `key`; `key` is one of SLOT_KEYS or `team:<team key>`."""

    key: str
    count: int
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the policies of all levels require together. `matched` names the rules, `level/rule id`."""

    slots: tuple[RequiredSlot, ...]
    checks: tuple[str, ...]
    approval_days: int | None
    review_days: int | None
    matched: tuple[str, ...]
    explain: tuple[Mapping[str, Any], ...] = field(default=())


def validate(document: Any, *, above: Mapping[str, Any] | None = None) -> None:
    """Raises Invalid `policy.invalid` with every finding at once. `above` is the document of the level above, where
    there is one.
    """
    found: list[dict[str, Any]] = []
    if not isinstance(document, dict):
        raise Invalid(
            "policy.invalid",
            "A policy is an object with a list of rules.",
            {"findings": [finding("", "not an object")]},
        )
    found += [
        finding(f"/{key}", "unknown key")
        for key in document
        if key not in ("rules", "approval_days", "review_days", "rights_rest_hours", "summary")
    ]
    rules = document.get("rules")
    if not isinstance(rules, list) or not rules or len(rules) > MAX_RULES:
        found.append(finding("/rules", f"1 to {MAX_RULES} rules are needed: a policy without a rule requires nothing"))
        rules = []
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        found += _rule_findings(rule, f"/rules/{index}", seen)
    for key in ("approval_days", "review_days"):
        value = document.get(key)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 366:
            found.append(finding(f"/{key}", "a whole number of days, 1 to 366"))
        elif above and isinstance(above.get(key), int) and value > above[key]:
            found.append(
                finding(
                    f"/{key}",
                    f"the level above allows {above[key]}; a lower level may only tighten. Loosening is a waiver",
                )
            )
    found += _rest_findings(document.get("rights_rest_hours"), (above or {}).get("rights_rest_hours"))
    if found:
        raise Invalid(
            "policy.invalid",
            f"The policy cannot be used: {len(found)} finding{'' if len(found) == 1 else 's'}.",
            {"findings": found},
        )


def _rest_findings(hours: Any, above: Any) -> Iterable[dict[str, Any]]:
    if hours is None:
        return
    if not isinstance(hours, int) or isinstance(hours, bool) or not 0 <= hours <= MAX_REST_HOURS:
        yield finding("/rights_rest_hours", f"a whole number of hours, 0 to {MAX_REST_HOURS}")
    elif isinstance(above, int) and hours < above:
        said = f"the level above asks for {above}; a lower level may only tighten"
        yield finding("/rights_rest_hours", said)


def _rule_findings(rule: Any, at: str, seen: set[str]) -> Iterable[dict[str, Any]]:
    if not isinstance(rule, dict):
        yield finding(at, "a rule is an object")
        return
    identifier = rule.get("id")
    if not isinstance(identifier, str) or not identifier.strip() or identifier in seen:
        yield finding(f"{at}/id", "every rule has an id of its own")
    else:
        seen.add(identifier)
    if not isinstance(rule.get("why"), str) or not rule["why"].strip():
        yield finding(f"{at}/why", "a rule says why, in a sentence: people read it on the change page")
    yield from (
        finding(f"{at}/{key}", "unknown key: a rule can only add slots and checks")
        for key in rule
        if key not in ("id", "why", "when", "slots", "checks")
    )
    yield from _condition_findings(rule.get("when", {}), f"{at}/when")
    yield from _slot_findings(rule.get("slots", {}), f"{at}/slots")
    checks = rule.get("checks", [])
    if not isinstance(checks, list) or not all(isinstance(c, str) and c for c in checks):
        yield finding(f"{at}/checks", "a list of check ids")
    if not rule.get("slots") and not checks:
        yield finding(at, "a rule adds slots or checks; this one adds nothing")


def _condition_findings(when: Any, at: str) -> Iterable[dict[str, Any]]:
    if not isinstance(when, dict):
        yield finding(at, "an object of conditions")
        return
    for key, value in when.items():
        if key not in CONDITIONS:
            yield finding(f"{at}/{key}", f"unknown condition; known: {', '.join(CONDITIONS)}")
        elif key == "consumers_at_least":
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                yield finding(f"{at}/{key}", "a whole number, 0 or more")
        elif key in ("breaking", "unknown_impact"):
            if value is not True:
                yield finding(f"{at}/{key}", "only true can be asked for")
        elif key == "tiers":
            if (
                not isinstance(value, list)
                or not value
                or not all(isinstance(t, int) and not isinstance(t, bool) and 0 <= t <= 3 for t in value)
            ):
                yield finding(f"{at}/{key}", "a list of tiers, 0 to 3")
        elif not isinstance(value, list) or not value or not all(isinstance(v, str) and v for v in value):
            yield finding(f"{at}/{key}", "a list of words")


def _slot_findings(slots: Any, at: str) -> Iterable[dict[str, Any]]:
    if not isinstance(slots, dict):
        yield finding(at, "an object: slot → how many people")
        return
    for key, count in slots.items():
        if key not in SLOT_KEYS and not (key.startswith("team:") and len(key) > 5):
            yield finding(f"{at}/{key}", f"unknown slot; known: {', '.join(SLOT_KEYS)}, team:<key>")
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 5:
            yield finding(f"{at}/{key}", "1 to 5 people")


def matches(when: Mapping[str, Any], profile: ChangeProfile) -> bool:
    """Whether every condition holds. An unknown value fulfils a condition on it, so that it adds approvals, never
    removes them.
    """
    tests = {
        "kinds": lambda v: profile.kind in v,
        "environments": lambda v: profile.environment in v,
        "tiers": lambda v: profile.tier is None or profile.tier in v,
        "data_classes": lambda v: not profile.data_class or profile.data_class in v,
        "entities": lambda v: (
            not profile.entities or any(_covers(wanted, touched) for wanted in v for touched in profile.entities)
        ),
        "consumers_at_least": lambda v: profile.consumers is None or profile.consumers >= v,
        "breaking": lambda _: profile.breaking is None or profile.breaking > 0,
        "unknown_impact": lambda _: profile.consumers is None or profile.breaking is None or profile.tier is None,
    }
    return all(tests[key](value) for key, value in when.items())


def _covers(wanted: str, touched: str) -> bool:
    return wanted == touched or touched.startswith(wanted + "/") or wanted.startswith(touched + "/")


def requirements_of(levels: Sequence[tuple[str, Mapping[str, Any]]], profile: ChangeProfile) -> Requirements:
    """What all levels require: the larger count of each slot, all checks, the smaller number of days."""
    counts: dict[str, int] = {}
    reasons: dict[str, list[str]] = {}
    checks: dict[str, None] = {}
    matched: list[str] = []
    explain: list[Mapping[str, Any]] = []
    for level, document in levels:
        for rule in document["rules"]:
            hit = matches(rule.get("when", {}), profile)
            explain.append(
                {
                    "level": level,
                    "rule": rule["id"],
                    "why": rule["why"],
                    "matched": hit,
                    "slots": rule.get("slots", {}),
                    "checks": rule.get("checks", []),
                    "counts_consumers": "consumers_at_least" in rule.get("when", {}),
                }
            )
            if not hit:
                continue
            matched.append(f"{level}/{rule['id']}")
            for key, count in rule.get("slots", {}).items():
                counts[key] = max(counts.get(key, 0), count)
                reasons.setdefault(key, []).append(rule["why"])
            checks.update(dict.fromkeys(rule.get("checks", [])))
    ordered = sorted(counts, key=lambda key: (SLOT_KEYS.index(key) if key in SLOT_KEYS else len(SLOT_KEYS), key))
    return Requirements(
        slots=tuple(RequiredSlot(key, counts[key], tuple(dict.fromkeys(reasons[key]))) for key in ordered),
        checks=tuple(checks),
        approval_days=_least(document.get("approval_days") for _, document in levels),
        review_days=_least(document.get("review_days") for _, document in levels),
        matched=tuple(matched),
        explain=tuple(explain),
    )


def with_quorum(required: Requirements, slots: Mapping[str, int], *, kind: str, why: str) -> Requirements:
    """The same with at least these slots, which a kind of change asks for whatever the policies say."""
    if not slots:
        return required
    counts = {slot.key: slot for slot in required.slots}
    for key, count in slots.items():
        old = counts.get(key)
        counts[key] = RequiredSlot(key, max(count, old.count if old else 0), (*(old.why if old else ()), why))
    entry = {"level": "kind", "rule": kind, "why": why, "matched": True, "slots": dict(slots), "checks": []}
    return replace(required, slots=tuple(counts.values()), explain=(*required.explain, entry))


def _least(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return min(known) if known else None


def digest_of_levels(digests: Mapping[str, str]) -> str:
    """One digest for the active policies of several levels; empty without one of the organisation. SQL computes the
    same.
    """
    if "organisation" not in digests:
        return ""
    text = "".join(f"{level}:{digests[level]}\n" for level in sorted(digests, key=str.encode))
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()
