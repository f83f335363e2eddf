"""Writing a batch to a target that takes one document a call: in order, within one deadline, every item answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from runtime.connectors.protocols import OutboundMessage, Refused, Retriable, Unknown, WriteResult


def write_one_by_one(
    batch: Sequence[OutboundMessage], until: float, write_one: Callable[[OutboundMessage], WriteResult]
) -> list[WriteResult]:
    """One result per message, in order. `until` in monotonic seconds; messages that were not reached by then, or that
    follow one for which the target has no time, come back retriable. Raises Retriable when that is so for the first
    one: nothing was applied."""
    results: list[WriteResult] = []
    stop: Retriable | None = None
    for message in batch:
        key = message.key
        if stop is None and time.monotonic() >= until:
            stop = Retriable("the deadline had passed before this item was sent", after=0.0)
        if stop is not None:
            wait = stop.after or 0.0
            results.append(WriteResult(key, "refused", code="not_sent", message=stop.reason, retry_after=wait))
            continue
        try:
            results.append(write_one(message))
        except Unknown as error:
            results.append(WriteResult(key, "unknown", code="no_answer", message=error.reason))
        except Retriable as error:
            if not results:
                raise
            stop = error
            wait = error.after or 0.0
            results.append(WriteResult(key, "refused", code="busy", message=error.reason, retry_after=wait))
        except Refused as error:
            results.append(WriteResult(key, "refused", code=error.code, message=error.message))
    return results
