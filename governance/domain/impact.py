"""The impact set of a change: the consumers it affects. A growing set voids decisions; a shrinking one does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from governance.domain.subject import AffectedConsumer
from kernel.digest import digest_of


def impact_set(consumers: Iterable[AffectedConsumer] | None) -> list[dict[str, Any]] | None:
    """What a decision is bound to: each consumer, its environment and state, not when it was last seen. None stays
    None.
    """
    if consumers is None:
        return None
    rows = {
        (c.application, c.environment, c.state): {
            "application": c.application,
            "environment": c.environment,
            "state": c.state,
        }
        for c in consumers
    }
    return [rows[key] for key in sorted(rows)]


def digest(impact: Sequence[Mapping[str, Any]] | None) -> str:
    """Its digest. An unknown set has another digest than an empty one, so that becoming known is a change too."""
    return digest_of({"known": impact is not None, "consumers": list(impact or [])})


def grows(old: Sequence[Mapping[str, Any]] | None, new: Sequence[Mapping[str, Any]] | None) -> bool:
    """Whether `new` has a consumer that `old` has not, or changed between known and unknown."""
    if old is None or new is None:
        return (old is None) != (new is None)
    had = {(row["application"], row["environment"]) for row in old}
    return any((row["application"], row["environment"]) not in had for row in new)


_GRAVER = ("low", "medium", "unknown", "high")


def risk(
    *, tier: int | None, breaking: int | None, consumers: int | None, data_class: str | None, least: Iterable[str] = ()
) -> str:
    """`high`, `medium`, `low` or `unknown`: one word for the inbox. Unknown facts never look low, and it is never less
    than what the subjects themselves say (`least`).
    """
    word = _risk(tier, breaking, consumers, data_class)
    return max((word, *(one for one in least if one in _GRAVER)), key=_GRAVER.index)


def _risk(tier: int | None, breaking: int | None, consumers: int | None, data_class: str | None) -> str:
    if tier is None or breaking is None or consumers is None:
        return "high" if tier == 0 or (breaking or 0) > 0 else "unknown"
    if (breaking and consumers) or (tier == 0 and consumers) or data_class == "cardholder":
        return "high"
    if breaking or tier <= 1 or data_class == "personal" or consumers > 5:
        return "medium"
    return "low"
