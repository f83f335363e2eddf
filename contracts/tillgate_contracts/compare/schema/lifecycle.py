"""Sunset and stability: the promises of `deprecated`, `x-sunset` and `x-stability-level` (the extensions of oasdiff).

The same rules hold for operations, parameters and properties. "Today" is always an argument, so that a verdict can be
computed again later. Beta and stable elements have a grace period in days; draft and alpha ones have none.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, NamedTuple

from tillgate_contracts.compare.schema.settings import Settings

LEVELS = ("draft", "alpha", "beta", "stable")
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}\Z")


class Mark(NamedTuple):
    """Deprecation, sunset and stability of one element, as written."""

    deprecated: bool
    sunset: Any
    stability: Any

    @classmethod
    def of(cls, raw: Any) -> Mark:
        if not isinstance(raw, dict):
            return cls(False, None, None)
        return cls(raw.get("deprecated") is True, raw.get("x-sunset"), raw.get("x-stability-level"))


class LifecycleChange(NamedTuple):
    """What happened to a deprecation, sunset or stability: `kind` and the two values to show."""

    kind: str
    old: Any = None
    new: Any = None


def parse_sunset(value: Any) -> dt.date | None:
    """Date of an RFC 3339 full-date or date-time (the date in its own zone); None when it is unreadable."""
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip()
    try:
        if _DATE.match(text):
            return dt.date.fromisoformat(text)
        return dt.datetime.fromisoformat(text).date() if "T" in text.upper() or " " in text else None
    except ValueError:
        return None


def level_of(value: Any) -> int | None:
    """Rank of a stability level (absent is stable); None when the word is unknown."""
    if value is None:
        return len(LEVELS) - 1
    if isinstance(value, str) and value in LEVELS:
        return LEVELS.index(value)
    return None


def is_judged(value: Any, settings: Settings) -> bool:
    """False for elements whose stability lies below the threshold; unknown levels are compared and reported."""
    level = level_of(value)
    return level is None or level >= LEVELS.index(settings.stability_threshold)


def grace_days(value: Any, settings: Settings) -> int:
    level = level_of(value)
    if level is None or LEVELS[level] == "stable":
        return settings.sunset_min_days_stable
    return settings.sunset_min_days_beta if LEVELS[level] == "beta" else 0


def removal(mark: Mark, settings: Settings) -> LifecycleChange:
    """How an element was removed: without or with deprecation, before its sunset, or with an unreadable sunset."""
    if not mark.deprecated:
        return LifecycleChange("removed-without-deprecation")
    if mark.sunset is None:
        return LifecycleChange("removed-with-deprecation")
    date = parse_sunset(mark.sunset)
    if date is None:
        return LifecycleChange("sunset-unreadable", mark.sunset)
    if settings.as_of is not None and settings.as_of < date:
        return LifecycleChange("removed-before-sunset", str(mark.sunset))
    return LifecycleChange("removed-with-deprecation", str(mark.sunset))


def transitions(old: Mark, new: Mark, settings: Settings) -> list[LifecycleChange]:
    """Lifecycle findings of an element that exists on both sides."""
    changes: list[LifecycleChange] = []
    for mark in (old, new):
        if level_of(mark.stability) is None:
            return [LifecycleChange("invalid-stability-level", old.stability, new.stability)]
    if not is_judged(old.stability, settings):
        return []
    before, after = level_of(old.stability), level_of(new.stability)
    if before is not None and after is not None and before != after:
        kind = "stability-decreased" if after < before else "stability-increased"
        changes.append(LifecycleChange(kind, LEVELS[before], LEVELS[after]))
    if old.deprecated and not new.deprecated:
        changes.append(LifecycleChange("reactivated"))
    elif new.deprecated:
        changes += _deprecation(old, new, settings)
    return changes


def _deprecation(old: Mark, new: Mark, settings: Settings) -> list[LifecycleChange]:
    days = grace_days(new.stability, settings)
    if new.sunset is None:
        if not old.deprecated:
            return [
                LifecycleChange("deprecated-sunset-missing", None, days) if days > 0 else LifecycleChange("deprecated")
            ]
        return [LifecycleChange("sunset-deleted", str(old.sunset))] if old.sunset is not None else []
    if old.deprecated and old.sunset == new.sunset:
        return []
    date = parse_sunset(new.sunset)
    if date is None:
        return [
            LifecycleChange(
                "sunset-unreadable" if old.deprecated else "deprecated-sunset-unreadable", old.sunset, new.sunset
            )
        ]
    near = settings.as_of is not None and (date - settings.as_of).days < days
    if not old.deprecated:
        return [LifecycleChange("sunset-date-too-small" if near else "deprecated-with-sunset", None, str(new.sunset))]
    known = parse_sunset(old.sunset) if old.sunset is not None else None
    if old.sunset is not None and known is None:
        return [LifecycleChange("sunset-unreadable", old.sunset, new.sunset)]
    if near and old.sunset is None:
        return [LifecycleChange("sunset-date-too-small", None, str(new.sunset))]
    if near and (known is None or date < known):
        return [LifecycleChange("sunset-date-changed-too-small", str(old.sunset), str(new.sunset))]
    return [LifecycleChange("sunset-changed", old.sunset and str(old.sunset), str(new.sunset))]
