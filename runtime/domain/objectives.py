"""Objectives: what share of time or messages must be good, and from when on something is not. Plain data with a
history; what is in force is chosen here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from catalog.domain.facts import TierFacts
from kernel.errors import finding
from kernel.ui.wording import duration

FRESHNESS, LATENCY, AVAILABILITY = "freshness", "latency", "availability"
KINDS: Final[dict[str, str]] = {FRESHNESS: "Freshness", LATENCY: "Latency", AVAILABILITY: "Availability"}
EVERY: Final[dict[str, str]] = {
    FRESHNESS: "of the time, what the target has is no older than",
    LATENCY: "of the messages, from acceptance to confirmation within",
    AVAILABILITY: "of the minutes in which it was called, it answered",
}
SHARES: Final[dict[int, Decimal]] = {0: Decimal("99.9"), 1: Decimal("99.5"), 2: Decimal(99), 3: Decimal(95)}
"""Per cent of a tier that states a limit and no share."""
LOWEST, HIGHEST, LONGEST = Decimal(50), Decimal("99.999"), 31 * 86_400
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        kind: {
            "type": "object",
            "additionalProperties": False,
            "required": ["share", "within"],
            "properties": {
                "share": {"type": "string", "pattern": "^[0-9]{2}(\\.[0-9]{1,3})?$"},
                "within": {"type": "string", "pattern": "^[1-9][0-9]{0,5}[smh]$"},
            },
        }
        for kind in (FRESHNESS, LATENCY)
    },
}
"""The member `objectives` of a target in a manifest."""


@dataclass(frozen=True, slots=True)
class Objective:
    """`share` in per cent, below 100 so that there is an error budget; `limit_s` in seconds, None for availability.
    `source`: tier, manifest or policy; `said` names which."""

    share: Decimal
    limit_s: float | None
    source: str
    said: str = ""

    @property
    def budget(self) -> float:
        """The share of time or messages that may be bad."""
        return float(1 - self.share / 100)

    @property
    def same_as(self) -> tuple[Decimal, float | None]:
        return self.share, self.limit_s

    def words(self, kind: str) -> str:
        """ "99.5 % of the messages, from acceptance to confirmation within 15 min" """
        share = f"{self.share:f}"
        share = share.rstrip("0").rstrip(".") if "." in share else share
        return f"{share} % {EVERY[kind]}" + (f" {duration(self.limit_s)}" if self.limit_s is not None else "")


def of_tier(tier: TierFacts | None, kind: str) -> Objective | None:
    """What a tier promises; None where it says nothing that could be measured."""
    if tier is None:
        return None
    said = f"tier {tier.level}, {tier.name}"
    default = SHARES.get(tier.level, SHARES[3])
    if kind == AVAILABILITY:
        return _kept(tier.availability, None, said)
    limit = tier.delivery_s if kind == LATENCY and tier.delivery_s is not None else tier.max_staleness_s
    stated = tier.delivery if kind == LATENCY else tier.freshness
    return None if not limit else _kept(stated if stated is not None else default, float(limit), said)


def _kept(share: Decimal | None, limit: float | None, said: str) -> Objective | None:
    """A promise of all or nothing has no budget that could be measured against."""
    return None if share is None or share <= 0 else Objective(min(share, HIGHEST), limit, "tier", said)


def of_manifest(objectives: Any, kind: str) -> Objective | None:
    """What the deployed manifest says of a target."""
    given = (objectives or {}).get(kind)
    if not given:
        return None
    return Objective(Decimal(given["share"]), seconds(given["within"]), "manifest", "the deployed release")


def seconds(text: str) -> float:
    """`90s`, `15m`, `2h`."""
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


@dataclass(frozen=True, slots=True)
class ObjectiveScope:
    """Which indicators a policy is about; empty and None mean any. Availability is about a system."""

    kind: str
    integration: str = ""
    target: str = ""
    system: str = ""
    environment: str = ""
    tier: int | None = None

    @property
    def weight(self) -> tuple[bool, bool, bool, bool, bool]:
        """The narrower one counts: target before integration before system before environment before tier."""
        return (
            bool(self.target),
            bool(self.integration),
            bool(self.system),
            bool(self.environment),
            self.tier is not None,
        )

    def covers(self, other: ObjectiveScope) -> bool:
        """Whether an indicator, named in full, is meant."""
        return self.kind == other.kind and all(
            mine in ("", None) or mine == theirs
            for mine, theirs in (
                (self.integration, other.integration),
                (self.target, other.target),
                (self.system, other.system),
                (self.environment, other.environment),
                (self.tier, other.tier),
            )
        )


@dataclass(frozen=True, slots=True)
class ObjectivePolicyFacts:
    """One row of policy, in the order in which people set them. Without an objective it gives back to what is below."""

    scope: ObjectiveScope
    objective: Objective | None


def effective(
    about: ObjectiveScope, policies: Iterable[ObjectivePolicyFacts], manifest: Objective | None, tier: Objective | None
) -> Objective | None:
    """What is in force for an indicator: the narrowest policy, of two alike the newest; else the manifest, else the
    tier."""
    newest = {one.scope: one for one in policies if one.scope.covers(about)}
    for one in sorted(newest.values(), key=lambda one: one.scope.weight, reverse=True):
        if one.objective is not None:
            return one.objective
    return manifest or tier


def looser(given: Objective, than: Objective | None) -> bool:
    """Whether it asks for less in any respect."""
    if than is None:
        return False
    later = given.limit_s is not None and than.limit_s is not None and given.limit_s > than.limit_s
    return given.share < than.share or later


def problems(kind: str, share: Decimal | None, limit_s: float | None) -> Iterator[dict[str, Any]]:
    """What is wrong with a policy that people set; neither share nor limit: it is withdrawn."""
    if kind not in KINDS:
        yield finding("/kind", f"one of {', '.join(KINDS)}")
        return
    if share is None and limit_s is None:
        return
    if share is None or not share.is_finite() or not LOWEST <= share <= HIGHEST:
        yield finding("/share", f"per cent between {LOWEST} and {HIGHEST}: of 100 there is no error budget")
    if kind == AVAILABILITY and limit_s is not None:
        yield finding("/limit_s", "availability has no limit in seconds")
    if kind != AVAILABILITY and (limit_s is None or not 1 <= limit_s <= LONGEST):
        yield finding("/limit_s", f"seconds between 1 and {LONGEST}")
