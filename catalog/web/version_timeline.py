"""The life of versions as bars over the years, drawn on the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from catalog.domain import lifecycle

_ROW: Final = 40


@dataclass(frozen=True, slots=True)
class VersionLife:
    label: str
    state: str
    begin: datetime | None
    deprecated_at: datetime | None
    sunset_at: datetime | None
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class TimelineBar:
    """Percentages of the width; `soft` is a time that is only planned or only still served."""

    x: str
    width: str
    y: int
    tone: str
    soft: bool


@dataclass(frozen=True, slots=True)
class TimelineText:
    x: str
    y: int
    text: str
    strong: bool = False
    anchor: str = "start"
    dx: int = 0


@dataclass(frozen=True, slots=True)
class VersionTimeline:
    height: int
    bottom: int
    grid: tuple[tuple[str, str], ...]
    now: str
    bars: tuple[TimelineBar, ...]
    words: tuple[TimelineText, ...]
    label: str


def drawn(lives: Sequence[VersionLife], *, now: datetime) -> VersionTimeline | None:
    """None where no version has begun. The width runs from the year of the first beginning to a quarter after the last
    date."""
    begun = [life for life in lives if life.begin is not None]
    if not begun:
        return None
    moments = [m for life in begun for m in (life.begin, life.deprecated_at, life.sunset_at, life.retired_at) if m] + [
        now
    ]
    first = min(moments)
    start = datetime(first.year, 1, 1, tzinfo=UTC)
    end = max(*moments, start) + timedelta(days=90)
    span = (end - start).total_seconds()

    def at(moment: datetime) -> float:
        return max(0.0, min(100.0, 100 * (moment - start).total_seconds() / span))

    bars: list[TimelineBar] = []
    words: list[TimelineText] = []
    said = []
    for n, life in enumerate(begun):
        y = 30 + n * _ROW
        bars += _bars(life, y, at, now, end)
        begin = at(life.begin or now)
        words.append(TimelineText(f"{begin:.2f}%", y + 30, life.label[:24], strong=True))
        note = _note(life)
        said.append(f"{life.label}: {note}")
        last = at(life.retired_at or life.sunset_at or end)
        if begin > 60:  # too near to the right edge for both texts on one line, on a phone at least
            words.append(TimelineText(f"{begin:.2f}%", y + 13, note, anchor="end", dx=-6))
        else:
            words.append(TimelineText(f"{max(last, begin + 40):.2f}%", y + 30, note, anchor="end"))
    years = range(start.year, end.year + 1)
    step = max(1, len(years) // 6)
    grid = tuple((f"{at(datetime(y, 1, 1, tzinfo=UTC)):.2f}%", str(y)) for y in years[::step])
    bottom = 30 + len(begun) * _ROW
    words.append(TimelineText(f"{at(now):.2f}%", bottom + 18, "today", strong=True, anchor="middle"))
    return VersionTimeline(
        bottom + 24,
        bottom,
        grid,
        f"{at(now):.2f}%",
        tuple(bars),
        tuple(words),
        "Life of the versions. " + ". ".join(said) + ".",
    )


def _bars(life: VersionLife, y: int, at: object, now: datetime, end: datetime) -> list[TimelineBar]:
    place = at if callable(at) else (lambda _: 0.0)
    begin = life.begin or now
    last = life.retired_at or life.sunset_at or end

    def bar(a: datetime, b: datetime, tone: str, soft: bool = False) -> TimelineBar:
        return TimelineBar(f"{place(a):.2f}%", f"{max(0.6, place(b) - place(a)):.2f}%", y, tone, soft)

    if life.state == lifecycle.RETIRED:
        middle = life.deprecated_at or last
        return [bar(begin, middle, "quiet"), *([bar(middle, last, "quiet", True)] if middle < last else [])]
    if life.state in (lifecycle.DRAFT, lifecycle.IN_REVIEW, lifecycle.APPROVED):
        return [bar(begin, last, "accent", True)]
    if life.deprecated_at is not None:
        return [
            bar(begin, max(begin, life.deprecated_at), "ok"),
            bar(max(begin, life.deprecated_at), last, "wait", True),
        ]
    return [bar(begin, max(begin, now), "ok"), bar(max(begin, now), last, "ok", True)]


def _note(life: VersionLife) -> str:
    if life.retired_at is not None:
        return f"retired {life.retired_at:%-d %b %Y}"
    if life.sunset_at is not None:
        return f"sunset {life.sunset_at:%-d %b %Y}"
    return lifecycle.tone(life.state).word.lower()
