"""The long statements of the ledger, one file each. They are read once, when the module that uses one is imported.

`{name}` in a file stands for a part that several statements share, `%(name)s` for an argument. Comments stay in the
file.
"""

from __future__ import annotations

from pathlib import Path

from runtime.domain.shards import SHARDS
from runtime.domain.vendor_times import DEFAULT_DEADLINE, DEFAULT_KEY_KEPT, DEFAULT_SETTLE

FOLDER = Path(__file__).parent


def read(name: str, **parts: str) -> str:
    """The text of `name`.sql with its parts filled in, without comments."""
    lines = (FOLDER / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("--"))
    return text.strip().format(**parts)


CLAIM_COLUMNS = read(
    "claim_columns",
    default_settle=str(DEFAULT_SETTLE),
    default_key_kept=str(DEFAULT_KEY_KEPT),
    default_deadline=str(DEFAULT_DEADLINE),
)
CLAIM_RETURNING = read("claim_returning")
CLAIM_SCOPE = read("claim_scope", shards=str(SHARDS))
"""Parts of every claim: what it needs of subscription and stream, what it answers, and what the claiming worker
serves."""
LONGEST_LEASE = 200.0
"""Seconds: three calls of the longest `deadline`, and the margins."""
KEPT_FOR_QUESTION = 15.0
"""Seconds for which the probe of an open circuit breaker is kept for a person's question."""


def probe_is_free(asking: str) -> str:
    """Part of every claim under a circuit breaker; `asking`: the subscription whose question may take a kept probe."""
    return read("probe_is_free", asking=asking, kept=str(KEPT_FOR_QUESTION))


def lease_is_over(column: str) -> str:
    """Part of every claim: whether this lease has ended. `clock` is the time by the clock of before where it was set
    ahead (`clock_steps.ClockWatch.latest`): what was stored before is judged by that. What lies further off than any
    lease of before can was stored, or moved, since, and is judged by the clock as it is."""
    return read("lease_is_over", column=column, longest=str(LONGEST_LEASE))
