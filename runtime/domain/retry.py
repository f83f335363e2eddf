"""The retry policies of the runtime, by name. The formula is in `kernel/retry.py`, the table in
`docs/reference/retries.md`."""

from __future__ import annotations

from kernel.retry import RetryPolicy, fixed

CIRCUIT_BREAKER = RetryPolicy(base=1.0, ceiling=300.0, attempts=3)
"""How long an open circuit breaker keeps a vendor from being called; `attempts` failures in a row open it."""

CONNECTION_FAULT = RetryPolicy(base=10.0, ceiling=300.0)
"""How long a circuit breaker that a fault of the connection opened (a wrong password, an expired certificate) keeps the
vendor from being probed with one message. Slower than `CIRCUIT_BREAKER`: a person has to correct something, and systems
lock accounts after a few wrong passwords."""

MESSAGE = RetryPolicy(base=0.5, ceiling=300.0)
"""One quarantined message that its vendor does not take now. Its number of tries is the target's `max_attempts`."""

WORKER_FAILURE = RetryPolicy(base=0.5, ceiling=30.0)
"""A lane, or one message, after an error in our own code, a mapping or a connector; the count is that of lost
owners."""

SEND_ROUNDS = RetryPolicy(base=0.0, attempts=3)
"""Rounds of sending and asking within one claim, without a pause between them."""

VENDOR_UNAVAILABLE = fixed(0.5)
"""A lane whose vendor did not take its batch and named no time (Retry-After) itself."""

UNDECIDED_PROBE = fixed(30.0)
"""A lane of class U whose connection is at fault and has nothing to read: as long as nobody has decided about the
message that met the fault, no other one is sent as a probe."""

QUOTA_EMPTY = fixed(0.2)
"""A lane whose vendor has too little quota left for the batch."""

MESSAGE_NOT_NOW = fixed(1.0)
"""One message that its vendor does not take now and for which it named no time: the least pause, beside `MESSAGE`."""

UNANSWERED_BATCH = RetryPolicy(base=0.5, factor=1.0, attempts=3)
"""A batch whose outcome stays unknown; after `attempts` claims each of its messages is tried alone."""

UNANSWERED = RetryPolicy(base=1.0, ceiling=300.0, attempts=8)
"""One message whose outcome stays unknown although its vendor works; after `attempts` rounds (or the target's
`max_attempts`, where that is more) a person decides."""

ACCEPTED = RetryPolicy(base=2.0, ceiling=900.0, attempts=100)
"""One message that its vendor has taken without saying yet what became of it; a person decides after about a day."""

UNSETTLED = RetryPolicy(base=0.5, factor=1.0)
"""One message that its vendor does not have and may still act on: the least pause, beside half of what is left of the
vendor's `settle` time."""

CANNOT_ASK = fixed(30.0)
"""A message under a closed gate whose outcome can be settled only by sending it again."""

MISCONFIGURED = fixed(1.0)
"""A lane or message whose target has no usable address or secret."""

SOURCE_PAGE = RetryPolicy(base=0.2, factor=4.0, attempts=4)
"""One page of a source that did not answer and named no time itself; the lease is renewed for each try."""

LOCKED_OUT = fixed(1.0)
"""A lane or message of which somebody else holds a row, longer than its lock or statement may take."""

TARGET_UNDER_WAY = fixed(0.2)
"""A lane, or one message, of a replay of states while the target itself sends from the same lane."""

DATABASE_LOST = RetryPolicy(base=0.2, ceiling=5.0)
"""A worker or scheduler whose database does not answer, or takes no writes."""

PARTITION = RetryPolicy(base=0.2, factor=4.0, attempts=4)
"""A partition of the log is attached or detached while somebody reads the log; afterwards the next turn tries."""

DEFAULT_MAX_ATTEMPTS = 5
"""Tries of one message where its target's manifest says nothing else (`max_attempts`)."""
