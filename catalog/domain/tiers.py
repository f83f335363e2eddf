"""An SLA tier compiles to rules: the keys, what they mean, and the reading of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from catalog.domain.facts import TierFacts
from kernel.errors import Invalid, finding
from kernel.ui.wording import counted

KEYS: Final[dict[str, str]] = {
    "notice_days": "days between deprecation and sunset",
    "max_staleness_s": "seconds that a copy may be older than its source",
    "p95_ms": "answer time at the 95th percentile, milliseconds",
    "availability": "per cent of calls answered, as text: 99.95",
    "freshness": "per cent of the time in which no copy is older than max_staleness_s, as text: 99.9",
    "delivery_s": "seconds from the acceptance of a message to its confirmation by the target",
    "delivery": "per cent of messages that are confirmed within delivery_s, as text: 99",
    "rto_s": "recovery time objective, seconds",
    "rpo_s": "recovery point objective, seconds",
    "queue": "name of the work queue",
    "retry": "retry profile",
    "freeze_strictness": "how a freeze window applies: block, warn or none",
    "slots": "approval slots that every change of this tier needs",
    "pins": "whether consumers say which contract they were built against: advised or required; empty: advised",
    "degraded_mode_required": "true where an integration must say what it does while the target system is down",
}
_NUMBERS = ("notice_days", "max_staleness_s", "p95_ms", "rto_s", "rpo_s", "delivery_s")
_PER_CENT = ("availability", "freshness", "delivery")
PINS: Final[tuple[str, ...]] = ("advised", "required")
FREEZES: Final[tuple[str, ...]] = ("block", "warn", "none")


def read(level: int, name: str, rules: Mapping[str, Any]) -> TierFacts:
    """Compile the stored rules. Raises Invalid `tier.rules` with all findings."""
    found = _findings(rules)
    if found:
        raise Invalid(
            "tier.rules",
            f"The rules of tier {level} cannot be read: {counted(len(found), 'finding')}.",
            {"findings": found},
        )
    return TierFacts(
        level=level,
        name=name,
        notice_days=rules.get("notice_days"),
        max_staleness_s=rules.get("max_staleness_s"),
        p95_ms=rules.get("p95_ms"),
        availability=_per_cent(rules.get("availability")),
        queue=str(rules.get("queue") or f"tier{level}"),
        retry=rules.get("retry") or {},
        freeze_strictness=str(rules.get("freeze_strictness") or "block"),
        slots=tuple(rules.get("slots") or ()),
        degraded_mode_required=rules.get("degraded_mode_required") is True,
        rto_s=rules.get("rto_s"),
        rpo_s=rules.get("rpo_s"),
        freshness=_per_cent(rules.get("freshness")),
        delivery_s=rules.get("delivery_s"),
        delivery=_per_cent(rules.get("delivery")),
    )


def _findings(rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = [finding(f"/rules/{key}", f"Unknown rule. Known: {', '.join(KEYS)}.") for key in rules if key not in KEYS]
    for key in _NUMBERS:
        value = rules.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            found.append(finding(f"/rules/{key}", f"{KEYS[key]}: a whole number, not {value!r}."))
    for key in _PER_CENT:
        if rules.get(key) is not None and _per_cent(rules[key]) is None:
            found.append(finding(f"/rules/{key}", "Per cent between 0 and 100, as text."))
    if rules.get("freeze_strictness", "block") not in FREEZES:
        found.append(finding("/rules/freeze_strictness", f"Choose one of: {', '.join(FREEZES)}."))
    if rules.get("pins", "advised") not in PINS:
        found.append(finding("/rules/pins", f"Choose one of: {', '.join(PINS)}."))
    slots = rules.get("slots") or []
    if not isinstance(slots, list) or not all(isinstance(s, dict) for s in slots):
        found.append(finding("/rules/slots", "Give a list of objects."))
    if not isinstance(rules.get("retry") or {}, dict):
        found.append(finding("/rules/retry", "Give an object."))
    return found


def _per_cent(value: Any) -> Decimal | None:
    """A number between 0 and 100; None when it is absent or is none."""
    try:
        made = Decimal(str(value))
    except InvalidOperation:
        return None
    return made if made.is_finite() and 0 <= made <= 100 else None
