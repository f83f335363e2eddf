"""Versions finer than what the ledger keeps of them: which of two states is the later one, their payloads say."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from kernel.errors import DomainError
from runtime.connectors.protocols import CallError, JudgesAgain, Record, SourceConnector
from runtime.domain.manifest import Manifest
from runtime.domain.pointers import PointerReader
from runtime.domain.record_keys import number_text
from runtime.domain.versions import finer_digits
from runtime.ledger.append import Finer

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def of_source(connector: SourceConnector) -> Finer | None:
    """By the version that a source finds in what it gave; None where it cannot be asked."""
    if not isinstance(connector, JudgesAgain):
        return None
    judge = connector.judged_again

    def version(payload: bytes) -> str | None:
        record = judge(payload)
        return record.version if isinstance(record, Record) else None

    return _digits(version)


def of_event(manifest: Manifest) -> Finer | None:
    """By the version that intake finds; None where events have none."""
    if not manifest.event.version:
        return None
    place = PointerReader(manifest.event.version)

    def version(payload: bytes) -> str | None:
        found, given = place(_decode(payload))
        if isinstance(given, Decimal):
            return number_text(given)
        return given if found and isinstance(given, str) else None

    return _digits(version)


def _digits(version: Callable[[bytes], str | None]) -> Finer:
    """Of a payload that has no version any more (it was erased), nothing is known."""

    def finer(payload: bytes) -> str:
        try:
            return finer_digits(version(payload) or "")
        except (ValueError, RecursionError, DomainError, CallError):
            return ""

    return finer
