"""How a message becomes what its target wants: one by one, or a whole batch at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.domain.erased import BEGINS, LONGEST, is_erased_document
from runtime.ledger.log_reader import LoggedMessage, decoded
from runtime.ledger.quarantine import QuarantineEntry

MapOne = Callable[[LoggedMessage], Any]
"""`map_one(message)` gives what the target wants; raises `Unmappable` for a document that does not fit, `Skipped` for
one that is not for this target."""
MapLines = Callable[[Sequence[bytes]], list[str] | None]
"""The short way from the payloads of a whole batch to lines for the table (`copy_format.line` without the position);
None where the messages must be mapped one by one."""


class Skipped(Exception):
    """The message is not for this target."""


class Unmappable(Exception):
    """The mapping refuses this one document. `reason_class` is `mapping` or `contract`."""

    def __init__(self, reason: str, *, reason_class: str = "mapping", pattern: str = "") -> None:
        super().__init__(reason)
        self.reason, self.reason_class, self.pattern = reason, reason_class, pattern or reason


@dataclass(frozen=True, slots=True)
class Mapper:
    """The mapping of one target. With `lines`, batches are read raw and mapped at once where that is possible."""

    one: MapOne
    lines: MapLines | None = None

    @property
    def reads_raw(self) -> bool:
        return self.lines is not None

    def many(
        self, messages: Sequence[LoggedMessage]
    ) -> tuple[list[tuple[LoggedMessage, Any]], list[QuarantineEntry], list[int]]:
        """Mapped messages, quarantine entries, and positions that are not for this target. A message that cannot be
        mapped is dead, later ones of its key wait behind it."""
        if self.lines is not None and messages:
            payloads = [message[2] for message in messages]
            if any(len(one) <= LONGEST and one.startswith(BEGINS) for one in payloads):
                return Mapper(self.one).many(decoded(messages))
            lines = self.lines(payloads)
            if lines is not None:
                return list(zip(messages, lines, strict=True)), [], []
            messages = decoded(messages)
        map_one = self.one
        mapped: list[tuple[LoggedMessage, Any]] = []
        entries: list[QuarantineEntry] = []
        failed: set[str] = set()
        skipped: list[int] = []
        for message in messages:
            if is_erased_document(message.document):
                skipped.append(message.position)
                continue
            if failed and message.key in failed:
                entries.append(QuarantineEntry(message.position, message.key, "behind"))
                continue
            try:
                mapped.append((message, map_one(message)))
            except Skipped:
                skipped.append(message.position)
            except Unmappable as error:
                failed.add(message.key)
                entries.append(unmappable(message, error))
        return mapped, entries, skipped


def unmappable(message: LoggedMessage, error: Unmappable) -> QuarantineEntry:
    """The quarantine entry of a message that its mapping refuses."""
    return QuarantineEntry(message.position, message.key, "dead", error.reason_class, error.reason, error.pattern)
