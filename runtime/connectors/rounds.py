"""Writing a batch to a target that takes many at once and keeps no order between those that it takes and those that it
does not: of each name one message is on its way at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runtime.connectors.protocols import CallError, ConnectionFault, FaultKind, OutboundMessage, Retriable, WriteResult

Many = Callable[[Sequence[OutboundMessage]], list[WriteResult]]


def write_in_rounds(batch: Sequence[OutboundMessage], write: Many) -> list[WriteResult]:
    """One result per message, in order. `write` gets messages of different keys; a later one of a key is written when
    the one before is confirmed, and comes back as `not_sent` where it is not. Raises what `write` raises for the first
    round: nothing was applied."""
    results: dict[int, WriteResult] = {}
    waiting = list(enumerate(batch))
    behind: set[str] = set()  # keys of which one is not confirmed
    while waiting:
        now, later, seen = list[tuple[int, OutboundMessage]](), list[tuple[int, OutboundMessage]](), set[str]()
        for place, item in waiting:
            if item.key in behind:
                results[place] = _not_sent(item, "an earlier message of its key is not confirmed")
            else:
                (later if item.key in seen else now).append((place, item))
                seen.add(item.key)
        if not now:
            break
        try:
            written = write([item for _, item in now])
        except CallError as error:
            if not results:
                raise
            results |= {place: _after(item, error) for place, item in (*now, *later)}
            break
        for (place, item), result in zip(now, written, strict=True):
            results[place] = result
            if result.status != "confirmed":
                behind.add(item.key)
        waiting = later
    return [results[place] for place in range(len(batch))]


def _after(item: OutboundMessage, error: CallError) -> WriteResult:
    if isinstance(error, ConnectionFault):
        return _not_sent(item, error.message, fault=error.kind)
    return _not_sent(item, str(error), wait=(error.after or 0.0) if isinstance(error, Retriable) else 0.0)


def _not_sent(item: OutboundMessage, why: str, *, wait: float = 0.0, fault: FaultKind | None = None) -> WriteResult:
    return WriteResult(item.key, "refused", code="not_sent", message=why, retry_after=wait, fault=fault)


__all__ = ["write_in_rounds"]
