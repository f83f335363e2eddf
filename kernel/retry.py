"""Retry policies: how long to wait before something is tried again, and how often.

Every pause in the product comes from here.

A room names its policies where it uses them (`kernel/outbox.py`, `governance/services/webhooks.py`,
`runtime/domain/retry.py`, `portal/process_supervisor.py`). `docs/reference/retries.md` lists all of them; a test
compares the page with the code.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

LARGEST_EXPONENT = 64  # beyond it the ceiling holds anyway; it keeps a large count from overflowing a float

PAUSE_SQL = "least(%(ceiling)s, %(base)s * power(%(factor)s, least({count}, 64)))"
"""The formula in SQL, in seconds: `PAUSE_SQL.format(count="attempts")`, with `policy.parameters()` as arguments."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Pause after `count` counted failures: `min(ceiling, base * factor ** count)` seconds, spread upwards by the share
    `jitter`.

    A `factor` of 1 is a fixed pause. `attempts` is the number of tries after which the caller stops; None: it never
    stops by itself. What counts as a failure, and whether the first one counts as 0 or 1, is the caller's: the page
    says it per policy.
    """

    base: float
    factor: float = 2.0
    ceiling: float = float("inf")
    jitter: float = 0.0
    attempts: int | None = None

    def pause(self, count: int = 0) -> float:
        """Seconds to wait after `count` counted failures."""
        seconds = min(self.ceiling, self.base * self.factor ** min(count, LARGEST_EXPONENT))
        if self.jitter:
            seconds *= 1.0 + random.uniform(0.0, self.jitter)  # noqa: S311 - spreads load, protects nothing
        return seconds

    def exhausted(self, attempts: int) -> bool:
        """Whether no further try follows after `attempts` tries."""
        return self.attempts is not None and attempts >= self.attempts

    def parameters(self) -> dict[str, float]:
        """Arguments of `PAUSE_SQL`."""
        return {"base": self.base, "factor": self.factor, "ceiling": self.ceiling}


def fixed(seconds: float) -> RetryPolicy:
    """A policy whose pause does not grow."""
    return RetryPolicy(base=seconds, factor=1.0)
