"""Records of a source become items for the log or rejected messages: whole groups at once where all are good, one by
one where any is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg

from runtime.connectors.acceptance import Acceptance
from runtime.connectors.protocols import Record, RejectedRecord
from runtime.connectors.rawjson import odd_escape, unreadable
from runtime.domain.manifest import Manifest, ManifestSource
from runtime.domain.member_names import NamedTwice, any_named_twice, named_twice
from runtime.domain.row_limits import OverLimits, any_over_limits, over_limits
from runtime.domain.versions import version_number
from runtime.ledger.append import IncomingMessage, incoming_messages
from runtime.ledger.connections import Connection
from runtime.services.message_checks import KEY_LENGTH, ContractChecks, Rejection, quick_checks, usable_key, usable_keys

_documents = msgspec.json.Decoder(list[Any])
MISSES = 3  # groups in a row with a rejected record, after which the quick checks are skipped
UNSTORABLE = (psycopg.DataError, psycopg.errors.StatementTooComplex, UnicodeError, NamedTwice, OverLimits)
"""What is said of content that cannot be stored; any other error is not about one row."""


class RecordChecks:
    """The checks of one source."""

    def __init__(self, manifest: Manifest, source: ManifestSource) -> None:
        self.prefix = manifest.prefix(source)
        self.contract = ContractChecks(manifest, source)
        self.quick = quick_checks(manifest, source)
        self.misses = 0
        self._proven: Acceptance | None = None  # what proved of the last group that each name stands once
        self._to_prove = True  # something of the last group was to be stored
        self._unproven = 0  # groups in a row of which that could not be proven

    def sort(self, records: Sequence[Record]) -> tuple[list[IncomingMessage], list[Rejection]]:
        """Items for the log, and the records that are rejected."""
        self._proven = None
        if (quick := self._all_good(records)) is not None:
            return quick, []
        items: list[IncomingMessage] = []
        rejected: list[Rejection] = []
        for record, document in zip(records, self._decoded(records), strict=True):
            version = self._version_or_rejection(record, document)
            if isinstance(version, Rejection):
                rejected.append(version._replace(after=len(items)))
            else:
                items.append(IncomingMessage(self.prefix + record.key, version, record.payload))
        return items, rejected

    def one(self, record: Record) -> IncomingMessage | Rejection:
        """One record, judged as `sort` judges many."""
        items, rejected = self.sort([record])
        if items and (reason := _unfit(record.payload)):
            return Rejection(record.key, "unreadable", reason, record.payload)
        return items[0] if items else rejected[0]

    def fit_to_store(self, payloads: Sequence[bytes]) -> None:
        """Raises NamedTwice or OverLimits. Asked of what would be stored of the group that was sorted last, so that
        what is known already costs nothing."""
        proof, self._to_prove = self._proven, True
        if proof is None and any_named_twice(payloads):
            raise NamedTwice("a name stands twice in one object")
        if any_over_limits(payloads, shallow=proof is not None and proof.closed):
            raise OverLimits("a row is over the limits")

    def _decoded(self, records: Sequence[Record]) -> Sequence[Any]:
        """Each document; in place of one that cannot be read, the rejection that says why."""
        payloads = [record.payload for record in records]
        if not any(map(odd_escape, payloads)):
            try:
                found = _documents.decode(b"[" + b",".join(payloads) + b"]")
                if len(found) == len(payloads):
                    return found
            except (ValueError, RecursionError):
                pass  # which of them it is, is found out one by one
        return [_document(record) for record in records]

    def _version_or_rejection(self, record: Record, document: Any) -> int | Rejection:
        if isinstance(document, Rejection):
            return document
        try:
            problem = self.contract.problem(document)
        except (ValueError, OverflowError, RecursionError) as error:
            problem = f"it cannot be compared with the contract: {error}"[:500]
        if problem:
            return Rejection(record.key, "contract", problem, record.payload)
        if not usable_key(record.key):
            reason = f"the key is empty, longer than {KEY_LENGTH} characters or has control characters"
            return Rejection(record.key, "key", reason, record.payload)
        if record.version is None:
            return 0
        try:
            return version_number(record.version)
        except (ValueError, OverflowError) as error:
            return Rejection(record.key, "version", f"the version cannot be read: {error}"[:500], record.payload)

    def _all_good(self, records: Sequence[Record]) -> list[IncomingMessage] | None:
        """Items of records that all pass the quick checks, the usual case; None where they must be checked one by
        one.
        """
        if not self.quick or self.misses >= MISSES or not records:
            return None
        keys = [record.key for record in records]
        try:
            versions = _versions([record.version for record in records])
        except (ValueError, OverflowError):
            return None
        if not usable_keys(keys):
            return None
        payloads = [record.payload for record in records]
        try:
            odd = b"\\" in b"".join(payloads) and any(map(odd_escape, payloads))
            good = not odd and all(accepts(payloads) for accepts in self.quick[1:])
            good = good and self._accepted(payloads, self.quick[0])
        except (ValueError, RecursionError):
            good = False
        if not good:
            self.misses += 1
            return None
        self.misses = 0
        return incoming_messages(self.prefix, keys, versions, payloads)

    def _accepted(self, payloads: Sequence[bytes], check: Acceptance) -> bool:
        """Whether all satisfy a contract. Where the last group had something new, the same reading is asked for the
        names, which is cheaper than to read what is stored once more. It proves them where records have no members
        beside those of the contract."""
        names, self._to_prove = self._to_prove and self._unproven < MISSES, False
        accepted, proven = check.judge(payloads, names=names)
        if names and accepted:
            self._unproven = 0 if proven else self._unproven + 1
        self._proven = check if proven else None
        return accepted


def _document(record: Record) -> Any:
    if reason := unreadable(record.payload):
        return Rejection(record.key, "unreadable", reason, record.payload)
    return msgspec.json.decode(record.payload)


def rejections(unread: Sequence[RejectedRecord]) -> list[Rejection]:
    """What a connector could not make a record of."""
    return [Rejection(one.key or "", "unreadable", one.reason, one.payload, one.origin, cut=one.cut) for one in unread]


def _unfit(payload: bytes) -> str:
    return named_twice(payload) or over_limits(payload)


def unstorable(
    conn: Connection, items: Sequence[IncomingMessage], error: Exception
) -> tuple[list[IncomingMessage], list[Rejection]]:
    """After a group was refused for its content: the items that can be stored, and the others as rejections with the
    reason."""
    if isinstance(error, NamedTwice | OverLimits):
        reasons = [_unfit(item.payload) for item in items]
        return [item for item, reason in zip(items, reasons, strict=True) if not reason], [
            Rejection(item.key, "unreadable", reason, item.payload)
            for item, reason in zip(items, reasons, strict=True)
            if reason
        ]
    good: list[IncomingMessage] = []
    rejected: list[Rejection] = []
    for item in items:
        try:
            with conn.transaction():
                conn.execute("select %s::text, %s::text::json", (item.key, item.payload.decode()))
            good.append(item)
        except UNSTORABLE as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            rejected.append(Rejection(item.key, "unreadable", f"it cannot be stored: {said}"[:500], item.payload))
    return good, rejected


def _versions(given: Sequence[str | None]) -> list[int]:
    """Versions as numbers. Plain whole numbers, the usual case, are converted all at once. Raises ValueError."""
    texts = [text for text in given if text is not None]
    joined = "".join(texts)
    if (
        len(texts) == len(given)
        and joined.isascii()
        and joined.isdecimal()
        and "" not in texts
        and len(max(texts, key=len)) < 19
    ):
        return list(map(int, texts))
    return [0 if text is None else version_number(text) for text in given]
