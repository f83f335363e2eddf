"""The life of an API version and the moves it allows. The database holds the same table in a trigger."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from kernel.errors import Conflict, Invalid, finding
from kernel.ui import tones

DRAFT, IN_REVIEW, APPROVED, PUBLISHED, DEPRECATED, RETIRED = (
    "draft",
    "in_review",
    "approved",
    "published",
    "deprecated",
    "retired",
)
REJECTED, WITHDRAWN = "rejected", "withdrawn"

MOVES: Final[dict[str, tuple[str, ...]]] = {
    DRAFT: (IN_REVIEW, WITHDRAWN),
    IN_REVIEW: (DRAFT, APPROVED, REJECTED, WITHDRAWN),
    APPROVED: (PUBLISHED, IN_REVIEW, WITHDRAWN),
    PUBLISHED: (DEPRECATED,),
    DEPRECATED: (PUBLISHED, RETIRED),
    RETIRED: (),
    REJECTED: (),
    WITHDRAWN: (),
}
STATES: Final[tuple[str, ...]] = tuple(MOVES)
ENDED: Final[tuple[str, ...]] = (RETIRED, REJECTED, WITHDRAWN)
LIVE: Final[tuple[str, ...]] = (PUBLISHED, DEPRECATED)
EDITABLE: Final[tuple[str, ...]] = (DRAFT, IN_REVIEW)
DECIDED: Final[tuple[str, ...]] = (APPROVED, PUBLISHED, DEPRECATED, RETIRED)
ORIGINS: Final[tuple[str, ...]] = ("registered", "imported", "declared")

_WORDS: Final[dict[str, tones.Tone]] = {
    DRAFT: tones.quiet("Draft"),
    IN_REVIEW: tones.wait("In review"),
    APPROVED: tones.ok("Approved"),
    PUBLISHED: tones.ok("Published"),
    DEPRECATED: tones.wait("Deprecated", "alert"),
    RETIRED: tones.quiet("Retired"),
    REJECTED: tones.stop("Rejected"),
    WITHDRAWN: tones.quiet("Withdrawn"),
}


def tone(state: str, *, label: str = "") -> tones.Tone:
    """The state as people read it; with a label "Published v2"."""
    base = _WORDS.get(state, tones.quiet(state or "Unknown"))
    return tones.Tone(base.tone, f"{base.word} {label}" if label else base.word, base.icon)


def require_move(state: str, target: str, *, reference: str) -> None:
    """Raises Conflict `version.move` where the lifecycle has no such step."""
    if target not in MOVES.get(state, ()):
        allowed = ", ".join(MOVES.get(state, ())) or "nothing: this is an end"
        raise Conflict(
            "version.move",
            f"{reference} is {state}; it cannot become {target}. From here: {allowed}.",
            {"state": state, "target": target},
        )


def require_dates(
    deprecated_at: datetime, sunset_at: datetime, *, notice_days: int | None, earlier: datetime | None = None
) -> None:
    """Deprecation comes before sunset, with the tier's notice between them (RFC 8594, RFC 9745).

    `earlier` is a sunset promised before: coming closer than that is refused here; only a quorum may do it.
    """
    if deprecated_at > sunset_at:
        raise Invalid(
            "version.sunset_before_deprecation",
            f"The sunset {sunset_at:%d %b %Y} lies before the deprecation {deprecated_at:%d %b %Y}.",
            {"findings": [finding("/sunset_at", "Choose a day after the deprecation.")]},
        )
    if notice_days is not None and (sunset_at - deprecated_at).days < notice_days:
        raise Invalid(
            "version.notice_too_short",
            f"This tier promises {notice_days} days of notice, but the sunset comes "
            f"{(sunset_at - deprecated_at).days} days after the deprecation.",
            {"findings": [finding("/sunset_at", f"Give a day at least {notice_days} days after the deprecation.")]},
        )
    if earlier is not None and sunset_at < earlier:
        raise Conflict(
            "version.sunset_earlier", f"The sunset {earlier:%d %b %Y} was promised; {sunset_at:%d %b %Y} is earlier."
        )
