"""Service levels: what was measured in a window against what was promised, the error budget and how fast it burns.

Nothing is met for lack of evidence: time that was not measured counts neither as good nor as bad, and where it could
turn the verdict the verdict is `unknown`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from kernel.ui.wording import duration

PERIOD = timedelta(minutes=5)
ROLLING_DAYS: Final = 28
BURN_MINUTES: Final = (5, 30, 60, 360, 4320)
"""Windows of burn rates, in minutes: the long ones of the usual rules, and the short one of each, a twelfth."""
TOLERATED: Final = 3.0  # minutes: a look stands for its minute, and the present one is not over
MOST: Final = 9999.0  # a burn rate beyond this says nothing more
_FIRST, _RATIO, _BUCKETS = 0.02, 1.25, 74
BOUNDS: Final = tuple(round(_FIRST * _RATIO**n, 4) for n in range(_BUCKETS))
"""Upper bounds of the buckets of latency, in seconds: from 20 ms to two days, each a quarter wider than the last."""
MET, MISSED, UNKNOWN = "met", "missed", "unknown"


@dataclass(frozen=True, slots=True)
class Sums:
    """What was measured in some time: `looked` minutes, of which something was there to be judged (`counted`: minutes,
    or messages), how much of that was `good`, and how much could have been bad (`allowed`, by the objective of each
    moment). `paused` of the bad was while people had paused the flow. `pending` messages are not judged yet.
    """

    looked: float = 0.0
    counted: float = 0.0
    good: float = 0.0
    allowed: float = 0.0
    paused: float = 0.0
    pending: float = 0.0
    histogram: Mapping[int, float] = field(default_factory=dict)

    def __add__(self, other: Sums) -> Sums:
        buckets = dict(self.histogram)
        for bucket, count in other.histogram.items():
            buckets[bucket] = buckets.get(bucket, 0.0) + count
        return Sums(
            self.looked + other.looked,
            self.counted + other.counted,
            self.good + other.good,
            self.allowed + other.allowed,
            self.paused + other.paused,
            self.pending + other.pending,
            buckets,
        )

    @property
    def bad(self) -> float:
        return max(self.counted - self.good, 0.0)

    @property
    def ratio(self) -> float | None:
        """The good share; None where nothing was there to be judged."""
        return self.good / self.counted if self.counted > 0 else None

    @property
    def budget_left(self) -> float | None:
        """The share of the error budget that is left, negative once it is overdrawn; None without evidence."""
        if self.counted <= 0:
            return None
        if self.allowed <= 0:
            return None if self.bad <= 0 else -MOST
        return max(1 - self.bad / self.allowed, -MOST)

    def burn(self, budget: float) -> float | None:
        """How many times faster than the budget allows it is spent; None without evidence."""
        if self.counted <= 0:
            return None
        error = self.bad / self.counted
        return 0.0 if error <= 0 else min(error / budget, MOST) if budget > 0 else MOST


NOTHING = Sums()


@dataclass(frozen=True, slots=True)
class WindowVerdict:
    """What may be said of a window: met, missed or unknown, and why."""

    state: str
    reason: str = ""
    unmeasured: float = 0.0


def judge(sums: Sums, *, elapsed: float, measured: bool, nothing_because: str = "") -> WindowVerdict:
    """The verdict about a window of which `elapsed` minutes have passed since the indicator is known.

    What was not looked at may have been all good or all bad. Met or missed is what holds either way; `measured` says
    that an objective was in force at all. `nothing_because`: why nothing can be judged, where something is known.
    """
    unmeasured = max(elapsed - sums.looked, 0.0)
    unmeasured = unmeasured if unmeasured >= TOLERATED else 0.0
    if sums.counted <= 0:
        why = nothing_because or ("nothing has come that could be judged" if sums.looked else "not measured yet")
        return WindowVerdict(UNKNOWN, why if measured else "no objective is set for it", unmeasured)
    gap = min(unmeasured / elapsed, 1.0) if elapsed > 0 else 0.0
    allowed = sums.allowed / sums.counted  # the share that may be bad
    bad = sums.bad / sums.counted
    if bad * (1 - gap) > allowed + 1e-9:
        return WindowVerdict(MISSED, "", unmeasured)
    if bad * (1 - gap) + gap <= allowed + 1e-9:
        return WindowVerdict(MET, "", unmeasured)
    said = f"{duration(unmeasured * 60)} were not measured, which is more than the budget that is left"
    said += f": {nothing_because}" if nothing_because else ""
    return WindowVerdict(UNKNOWN, said, unmeasured)


def fresh_minute(fresh: int, known: int, instances: int) -> Sums | None:
    """One look at the freshness of a flow: of its stores, how many have a known age and how many of those are fresh. A
    store whose age is unknown is not measured. None where nothing is known."""
    if not instances or not known:
        return None
    return Sums(looked=known / instances, counted=known / instances, good=fresh / instances)


def available_minute(answered: float, unanswered: float, down: float) -> Sums:
    """One minute of a vendor: the calls that it answered and did not, and the share of its stores that are `down` (an
    open circuit breaker or a connection fault). A minute without calls is no evidence that it would have answered.

    A call that fails and the circuit breaker that it opens are the same outage: the worse of the two counts.
    """
    called = answered + unanswered
    if called <= 0:
        return Sums(looked=1.0, counted=down, good=0.0)
    return Sums(looked=1.0, counted=1.0, good=min(answered / called, 1 - down))


def quantile(histogram: Mapping[int, float], share: float) -> float | None:
    """Seconds within which this share of the messages was confirmed, interpolated within a bucket; None without
    messages, or where it lies beyond the last bound. Bucket n ends at BOUNDS[n]."""
    total = sum(histogram.values())
    if total <= 0:
        return None
    wanted, passed = share * total, 0.0
    for bucket in sorted(histogram):
        count = histogram[bucket]
        if count > 0 and passed + count >= wanted:
            if bucket >= _BUCKETS:
                return None
            low = BOUNDS[bucket - 1] if bucket else 0.0
            return low + (BOUNDS[bucket] - low) * (wanted - passed) / count
        passed += count
    return None


def period_of(moment: datetime) -> datetime:
    """The beginning of the five minutes that a moment lies in."""
    return moment.replace(minute=moment.minute - moment.minute % 5, second=0, microsecond=0)


def rolling(today: date) -> tuple[date, date]:
    """The 28 days up to and with today."""
    return today - timedelta(days=ROLLING_DAYS - 1), today


def month(today: date) -> tuple[date, date]:
    """The calendar month so far."""
    return today.replace(day=1), today


def month_before(today: date) -> tuple[date, date]:
    last = today.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


def total(parts: Iterable[Sums]) -> Sums:
    made = NOTHING
    for part in parts:
        made += part
    return made
