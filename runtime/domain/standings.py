"""The standing of an indicator: what the windows say now, as it is stored for pages, alerts and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from runtime.domain import service_levels as rules
from runtime.domain.service_levels import BURN_MINUTES, MET, MISSED, Sums


@dataclass(frozen=True, slots=True)
class WindowStanding:
    """A window against its objective. `ratio` the good share; `left` the share of the error budget that is left;
    `counted`, `bad`, `pending` in minutes, or messages; `unmeasured`, `paused` in minutes; quantiles in seconds."""

    first: str
    state: str
    reason: str = ""
    ratio: float | None = None
    left: float | None = None
    counted: float = 0.0
    bad: float = 0.0
    allowed: float = 0.0
    pending: float = 0.0
    unmeasured: float = 0.0
    paused: float = 0.0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an indicator at a moment. `burn` by minutes of the window, None where nothing was there to be
    judged in it; `bad` and `looked` in the same windows, `looked` in minutes."""

    rolling: WindowStanding
    month: WindowStanding
    burn: Mapping[str, float | None] = field(default_factory=dict)
    bad: Mapping[str, float] = field(default_factory=dict)
    looked: Mapping[str, float] = field(default_factory=dict)

    @property
    def state(self) -> str:
        return self.rolling.state

    @property
    def burns(self) -> bool:
        """Some pair of windows of the usual rules burns too fast."""
        return any(self.burns_at(factor, long, short) for factor, long, short in USUAL)

    def burns_at(self, factor: float, long: int, short: int) -> bool:
        """Both windows burn as fast as that: the long one that it matters, the short one that it goes on."""
        rates = self.burn.get(str(long)), self.burn.get(str(short))
        return all(rate is not None and rate >= factor for rate in rates)

    def plain(self) -> dict[str, Any]:
        return asdict(self)


USUAL = ((14.4, 60, 5), (6.0, 360, 30), (1.0, 4320, 360))
"""Factor, long and short window in minutes, as the Site Reliability Workbook (Google, chapter 5) recommends them: 2 %
of the budget of 30 days in an hour, 5 % in six hours, 10 % in three days."""


def of_stored(held: Mapping[str, Any]) -> Standing | None:
    """A standing as it was stored; None where nothing was evaluated yet."""
    if not held:
        return None
    return Standing(
        WindowStanding(**held["rolling"]), WindowStanding(**held["month"]), held["burn"], held["bad"], held["looked"]
    )


def window(
    sums: Sums, *, first: date, elapsed: float, objective: bool, nothing_because: str = "", quantiles: bool = False
) -> WindowStanding:
    """What the sums of a window say."""
    verdict = rules.judge(sums, elapsed=elapsed, measured=objective, nothing_because=nothing_because)
    p50, p95, p99 = (rules.quantile(sums.histogram, share) if quantiles else None for share in (0.5, 0.95, 0.99))
    return WindowStanding(
        first.isoformat(),
        verdict.state,
        verdict.reason,
        sums.ratio,
        sums.budget_left,
        sums.counted,
        sums.bad,
        sums.allowed,
        sums.pending,
        verdict.unmeasured,
        sums.paused,
        p50,
        p95,
        p99,
    )


def rates(
    found: Mapping[int, Sums], budget: float | None
) -> tuple[dict[str, float | None], dict[str, float], dict[str, float]]:
    """Burn rates, bad and looked by window, keyed as JSON keeps them."""
    known = {minutes: found.get(minutes, rules.NOTHING) for minutes in BURN_MINUTES}
    burn = {str(minutes): None if budget is None else sums.burn(budget) for minutes, sums in known.items()}
    bad = {str(minutes): sums.bad for minutes, sums in known.items()}
    looked = {str(minutes): sums.looked for minutes, sums in known.items()}
    return burn, bad, looked


ORDER = {MISSED: 0, "unknown": 2, MET: 3}


def worst_first(standing: Standing | None) -> tuple[int, float]:
    """The order of the board: missed, burning, unknown, met; of those alike the one with the least budget left."""
    if standing is None:
        return ORDER["unknown"], 1.0
    left = standing.rolling.left
    rank = 1 if standing.burns and standing.state != MISSED else ORDER[standing.state]
    return rank, 1.0 if left is None else left
