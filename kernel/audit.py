"""The append-only audit ledger.

`record` writes in the caller's transaction. The database refuses to change or delete an entry and chains entries by
hash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from kernel.models import AuditEntry, User
from kernel.request import request_id

REDACTED = "[redacted]"
_SECRET_WORDS = (
    "password",
    "secret",
    "token",
    "authorization",
    "api_key",
    "apikey",
    "private_key",
    "credential",
    "cookie",
)


def redact(value: Any) -> Any:
    """The same JSON value with everything under a secret-looking key replaced."""
    if isinstance(value, dict):
        return {k: REDACTED if _is_secret(str(k)) and v not in (None, "") else redact(v) for k, v in value.items()}
    if isinstance(value, list):
        return [redact(item) for item in value]
    return value


def _is_secret(key: str) -> bool:
    low = key.lower()
    return any(word in low for word in _SECRET_WORDS) and not low.endswith(("_hash", "_prefix", "_id", "_count"))


def record(
    verb: str,
    subject_kind: str,
    subject_id: str | int,
    *,
    actor: User | None,
    before: Any = None,
    after: Any = None,
    reason: str = "",
) -> AuditEntry:
    """Write one ledger entry: `audit.record("kernel.token_revoked", "token", token.pk, actor=actor)`.

    `verb` is dotted and in the past tense; `actor` None means the system itself. Raises RuntimeError outside
    `transaction.atomic()`: a change and its entry are written together or not at all.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("audit.record belongs inside the transaction of what it records")
    return AuditEntry.objects.create(
        actor=actor,
        actor_text=str(actor) if actor else "system",
        verb=verb,
        subject_kind=subject_kind,
        subject_id=str(subject_id),
        before=redact(before),
        after=redact(after),
        reason=reason,
        request_id=request_id(),
    )


def entries_for(subject_kind: str, subject_id: str | int, *, limit: int = 200) -> Iterable[AuditEntry]:
    """The entries about a subject, newest first. The caller must have checked that the viewer may see the subject."""
    return AuditEntry.objects.filter(subject_kind=subject_kind, subject_id=str(subject_id)).select_related("actor")[
        :limit
    ]


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of `verify`. `sound` is False when an entry, a link or the anchored head does not match its hash;
    `broken_at` is the position where that was found."""

    sound: bool
    entries: int
    head: str
    broken_at: int | None = None
    reason: str = ""


_VERIFY = """
select l.position,
       l.hash,
       l.previous_hash,
       lag(l.hash, 1, repeat('0', 64)) over (order by l.position) as expected_previous,
       kernel_audit_hash(l.previous_hash, e) as expected,
       lag(l.position, 1, 0::bigint) over (order by l.position) as before
  from kernel_auditlink l
  join kernel_auditentry e on e.id = l.entry_id
 order by l.position
"""


def verify(*, anchor: tuple[int, str] | None = None) -> Verification:
    """Check the whole chain, entry by entry.

    `anchor` is the position and hash of a head that was stored elsewhere: a ledger that was cut no longer contains it.
    """
    count, head = 0, "0" * 64
    anchor_met = anchor is None or anchor[0] == 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_VERIFY)
        for position, own, previous, expected_previous, expected, before in cursor:
            if position != before + 1:
                return Verification(
                    False, count, head, position, f"positions {before + 1} to {position - 1} are missing"
                )
            if previous != expected_previous or own != expected:
                return Verification(False, count, head, position, "the entry or its link was altered")
            if anchor is not None and position == anchor[0]:
                if own != anchor[1]:
                    return Verification(False, count, head, position, "the anchored head differs")
                anchor_met = True
            count, head = count + 1, own
        cursor.execute(
            "select count(*) from kernel_auditentry e"
            " where not exists (select from kernel_auditlink l where l.entry_id = e.id)"
        )
        unlinked = cursor.fetchone()[0]
    if unlinked:
        return Verification(False, count, head, None, f"{unlinked} entries are not part of the chain")
    if not anchor_met:
        return Verification(False, count, head, None, "the chain ends before the anchored head: it was cut")
    return Verification(True, count, head)
