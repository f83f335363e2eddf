"""Alert rules: when the standing of an indicator is worth somebody's attention, and which signals have one cause.

Three answers here as well: a condition holds, does not hold, or cannot be known. What cannot be known begins no alert
and ends none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from kernel.errors import finding
from kernel.ui.wording import duration
from runtime.domain.objectives import AVAILABILITY, KINDS, ObjectiveScope
from runtime.domain.service_levels import BURN_MINUTES
from runtime.domain.standings import Standing

PAGE, TICKET, INFO = "page", "ticket", "info"
SEVERITIES: Final[dict[str, str]] = {PAGE: "Page", TICKET: "Ticket", INFO: "Information"}
RANK: Final[dict[str, int]] = {INFO: 1, TICKET: 2, PAGE: 3}
BURN, BUDGET, UNMEASURED, REFUSED = "burn", "budget", "unmeasured", "refused"
CONDITIONS: Final[dict[str, str]] = {
    BURN: "The error budget burns too fast",
    BUDGET: "Little of the error budget is left",
    UNMEASURED: "It is no longer measured",
    REFUSED: "Calls of tills or pipelines were refused",
}
RECENT = 60
"""Minutes: a burn goes on as long as something was bad in them. A slow window alone would keep the alert of an outage
of ten minutes open for six hours after it."""
QUIET = timedelta(minutes=10)
"""How long a condition must not hold before its alert is over, so that one outage is one alert."""
LONGEST_SILENCE = timedelta(days=31)
VENDOR, FLOW, MEASURING, FRONT = "vendor", "flow", "measuring", "front"
REFUSED_WINDOWS = (5, 30, 60, 360)
"""Minutes within which refused calls are counted."""


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """One rule. `scope` says which indicators are meant, of an empty kind all. `factor`, `long` and `short` (minutes)
    belong to burn, where at least `at_least` minutes or messages must be bad in the long window; `below` (per cent) to
    budget. Of refused calls at least `at_least` are in the long window, and one was heard of in the short one. The
    condition has to hold for `for_minutes`."""

    id: int
    name: str
    scope: ObjectiveScope
    condition: str
    severity: str
    factor: float = 0.0
    long: int = 60
    short: int = 5
    at_least: float = 2.0
    below: float = 0.0
    for_minutes: int = 0

    def means(self, other: ObjectiveScope) -> bool:
        mine = self.scope if self.scope.kind else ObjectiveScope(other.kind, *_rest(self.scope))
        return mine.covers(other)


def _rest(scope: ObjectiveScope) -> tuple[str, str, str, str, int | None]:
    return scope.integration, scope.target, scope.system, scope.environment, scope.tier


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """Refused calls as rules see them: by minutes of the window, how many were refused in it, how many were heard of in
    it (what a web process counted while the database was away is heard of later), and the last spell in words."""

    refused: Mapping[int, int]
    heard: Mapping[int, int]
    says: str


@dataclass(frozen=True, slots=True)
class Watched:
    """An indicator as rules see it. `looked_at`: when something was measured last, None where nothing ever was. Without
    an id it is the front door, which only rules about refused calls look at."""

    id: int | None
    scope: ObjectiveScope
    stream: int | None
    title: str
    paused: bool
    standing: Standing | None
    looked_at: datetime | None
    front: FrontDoor | None = None

    @property
    def cause(self) -> str:
        """What its trouble is a trouble of: the front door, a system, or one target of a flow."""
        if self.front is not None:
            return FRONT
        if self.scope.kind == AVAILABILITY:
            return vendor_cause(self.scope)
        return f"{FLOW}:{self.stream}:{self.scope.target}"


def vendor_cause(scope: ObjectiveScope) -> str:
    return f"{VENDOR}:{scope.environment}:{scope.system}"


def holds(rule: RuleFacts, one: Watched, now: datetime) -> bool | None:
    """Whether the condition of a rule holds for an indicator. None where nobody can tell, and of a paused flow: the
    people who paused it know."""
    if rule.condition == REFUSED or one.front is not None:
        return rule.condition == REFUSED and one.front is not None and _refused(rule, one.front)
    if rule.condition == UNMEASURED:
        return None if one.looked_at is None else now - one.looked_at > timedelta(minutes=max(rule.for_minutes, 1))
    if one.standing is None or one.paused:
        return None
    if rule.condition == BUDGET:
        left = one.standing.rolling.left
        return None if left is None else left * 100 < rule.below
    return _burns(rule, one.standing)


def _refused(rule: RuleFacts, front: FrontDoor) -> bool:
    enough = max(front.refused.get(rule.long, 0), front.heard.get(rule.short, 0)) >= max(rule.at_least, 1)
    return enough and front.heard.get(rule.short, 0) > 0


def _burns(rule: RuleFacts, standing: Standing) -> bool | None:
    if not standing.looked.get(str(rule.short)):
        return None  # nobody looked: it may go on
    enough = standing.bad.get(str(rule.long), 0.0) >= rule.at_least
    goes_on = standing.bad.get(str(RECENT), 0.0) > 0
    return enough and goes_on and standing.burns_at(rule.factor, rule.long, rule.short)


def says(rule: RuleFacts, one: Watched, now: datetime) -> str:
    """What happened, for people: "Availability of Loyalty engine burns its error budget 333 times too fast (1 h)"."""
    if one.front is not None:
        return one.front.says
    kind = KINDS[one.scope.kind]
    if rule.condition == UNMEASURED:
        ago = duration(now - one.looked_at) if one.looked_at else "ever"
        return f"{kind} of {one.title} has not been measured for {ago}"
    if one.standing is None:
        return f"{kind} of {one.title}"
    if rule.condition == BUDGET:
        left = one.standing.rolling.left or 0.0
        words = f"{left:.0%} of its error budget is left" if left > 0 else "its error budget is used up"
        return f"{kind} of {one.title}: {words}"
    rate = one.standing.burn.get(str(rule.long)) or 0.0
    return f"{kind} of {one.title} burns its error budget {rate:.3g} times too fast ({duration(rule.long * 60)})"


@dataclass(frozen=True, slots=True)
class Signal:
    """A rule whose condition holds, or did within the last minutes, for an indicator. `alert` is the one it belongs
    to."""

    rule: RuleFacts
    one: Watched
    text: str
    alert: int | None = None


@dataclass(slots=True)
class Cause:
    """Signals of one cause: one alert."""

    key: str
    signals: list[Signal] = field(default_factory=list)

    @property
    def severity(self) -> str:
        return max((signal.rule.severity for signal in self.signals), key=RANK.__getitem__)


def causes(signals: Sequence[Signal], *, open_causes: dict[str, int], watched: int) -> dict[str, Cause]:
    """Signals by cause. What already belongs to an open alert stays with it; a flow whose system is in trouble belongs
    to the system; where most of what is watched is no longer measured, that is one cause."""
    by_alert = {alert: key for key, alert in open_causes.items()}
    stopped = {signal.one.id for signal in signals if signal.rule.condition == UNMEASURED}
    all_stopped = len(stopped) * 2 > watched and len(stopped) > 1
    vendors = {signal.one.cause for signal in signals if signal.one.scope.kind == AVAILABILITY}
    vendors |= {key for key in open_causes if key.startswith(f"{VENDOR}:")}
    made: dict[str, Cause] = {}
    for signal in signals:
        key = _cause(signal, vendors, all_stopped)
        held = by_alert.get(signal.alert or 0)
        if held is not None and not (held.startswith(f"{FLOW}:") and key.startswith(f"{VENDOR}:")):
            key = held
        made.setdefault(key, Cause(key)).signals.append(signal)
    return made


def _cause(signal: Signal, vendors: set[str], all_stopped: bool) -> str:
    if signal.rule.condition == UNMEASURED and all_stopped:
        return MEASURING
    if signal.one.front is not None:
        return FRONT
    of_vendor = vendor_cause(signal.one.scope)
    return of_vendor if of_vendor in vendors else signal.one.cause


def problems(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What is wrong with a rule, by its fields."""
    if not str(given.get("name") or "").strip():
        yield finding("/name", "give the rule a name")
    if given.get("kind") and given["kind"] not in KINDS:
        yield finding("/kind", f"one of {', '.join(KINDS)}, or empty for all")
    if given.get("severity") not in SEVERITIES:
        yield finding("/severity", f"one of {', '.join(SEVERITIES)}")
    if given.get("tier") is not None and not 0 <= given["tier"] <= 3:
        yield finding("/tier", "a tier is 0 to 3")
    if given.get("target") and not given.get("integration"):
        yield finding("/integration", "say of which integration the target is")
    if not 0 <= (given.get("for_minutes") or 0) <= 7 * 1440:
        yield finding("/for_minutes", "between 0 minutes and 7 days")
    condition = given.get("condition")
    if condition not in CONDITIONS:
        yield finding("/condition", f"one of {', '.join(CONDITIONS)}")
    elif condition == BURN:
        yield from _burn_problems(given)
    elif condition == BUDGET and not 0 < (given.get("below") or 0) <= 100:
        yield finding("/below", "per cent of the error budget, above 0 and at most 100")
    elif condition == REFUSED:
        yield from _refused_problems(given)
    elif condition == UNMEASURED and (given.get("for_minutes") or 0) < 5:
        yield finding("/for_minutes", "at least 5 minutes: a scheduler may be restarted")


def _refused_problems(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("kind", "integration", "target", "system_key", "environment"):
        if given.get(name):
            yield finding(f"/{name}", "the web server refuses calls for all: leave it empty")
    if given.get("tier") is not None:
        yield finding("/tier", "the web server refuses calls of every tier: leave it empty")
    for name in ("long", "short"):
        if given.get(name) not in REFUSED_WINDOWS:
            yield finding(f"/{name}", f"minutes, one of {', '.join(map(str, REFUSED_WINDOWS))}")
    if (given.get("long") or 0) < (given.get("short") or 0):
        yield finding("/short", "the short window shows that it goes on: it is not longer than the long one")
    if not 1 <= (given.get("at_least") or 0) <= 1_000_000:
        yield finding("/at_least", "calls, 1 to 1,000,000")


def _burn_problems(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if not 0 < (given.get("factor") or 0) <= 1000:
        yield finding("/factor", "how many times too fast: above 0 and at most 1,000")
    for name in ("long", "short"):
        if given.get(name) not in BURN_MINUTES:
            yield finding(f"/{name}", f"minutes, one of {', '.join(map(str, BURN_MINUTES))}")
    if (given.get("long") or 0) <= (given.get("short") or 0):
        yield finding("/short", "the short window shows that it goes on: it is shorter than the long one")
    if not 0 <= (given.get("at_least") or 0) <= 1_000_000:
        yield finding("/at_least", "minutes or messages, 0 to 1,000,000")
