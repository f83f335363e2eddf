"""Writing a batch to a target that takes one document a call: in order, within one deadline, every item answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from runtime.connectors.protocols import (
    ConnectionFault,
    FaultKind,
    OutboundMessage,
    Refused,
    Retriable,
    Unknown,
    WriteResult,
)


def write_one_by_one(
    batch: Sequence[OutboundMessage], until: float, write_one: Callable[[OutboundMessage], WriteResult]
) -> list[WriteResult]:
    """One result per message, in order. `until` in monotonic seconds.

    Nothing is sent after the deadline, after a call for which the target has no time, and after a fault of the
    connection: what was not reached comes back as `not_sent`. Raises Retriable or ConnectionFault when that is so for
    the first message: nothing was applied.
    """
    results: list[WriteResult] = []
    for number, message in enumerate(batch):
        try:
            if time.monotonic() >= until:
                raise Retriable("the deadline had passed before this item was sent", after=0.0)
            results.append(write_one(message))
            if (stop := results[-1]).fault is not None:
                return [*results, *_not_sent(batch[number + 1 :], stop.message, 0.0, stop.fault)]
        except Unknown as error:
            results.append(WriteResult(message.key, "unknown", code="no_answer", message=error.reason))
        except Refused as error:
            results.append(WriteResult(message.key, "refused", code=error.code, message=error.message))
        except Retriable as error:
            if not results:
                raise
            return [*results, *_not_sent(batch[number:], error.reason, error.after or 0.0, None)]
        except ConnectionFault as error:
            if not results:
                raise
            return [*results, *_not_sent(batch[number:], error.message, 0.0, error.kind)]
    return results


def _not_sent(rest: Sequence[OutboundMessage], why: str, wait: float, fault: FaultKind | None) -> list[WriteResult]:
    return [
        WriteResult(message.key, "refused", code="not_sent", message=why, retry_after=wait, fault=fault)
        for message in rest
    ]
