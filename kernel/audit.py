"""The append-only audit ledger.

`record` writes in the caller's transaction. The database refuses to change or delete an entry and chains entries by
hash.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction

from kernel import acting
from kernel.audit_chain import Verification, verify
from kernel.models import AuditEntry, User
from kernel.request import request_id

__all__ = ["REDACTED", "Telling", "Verification", "entries_for", "record", "record_many", "redact", "verify"]

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
_NAMES_OF_THEM = ("_hash", "_prefix", "_id", "_count", "_ref")


def redact(value: Any) -> Any:
    """The same JSON value with everything under a secret-looking key replaced."""
    if isinstance(value, dict):
        return {k: REDACTED if _is_secret(str(k)) and v not in (None, "") else redact(v) for k, v in value.items()}
    if isinstance(value, list):
        return [redact(item) for item in value]
    return value


def _is_secret(key: str) -> bool:
    low = key.lower()
    return any(word in low for word in _SECRET_WORDS) and not low.endswith(_NAMES_OF_THEM)


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
    about = [verb, subject_kind, str(subject_id), _json(redact(before)), _json(redact(after)), reason, request_id()]
    written = AuditEntry.objects.raw(_RECORD, [actor.pk if actor else None, acting.text_of(actor), *about])
    return written[0]


@dataclass(frozen=True, slots=True)
class Telling:
    """What one of many entries tells."""

    verb: str
    subject_kind: str
    subject_id: str
    before: Any = None
    after: Any = None


def record_many(told: Sequence[Telling], *, actor: User | None) -> None:
    """Write these entries in their order, some thousand at a time, as `record` writes one."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("audit.record_many belongs inside the transaction of what it records")
    who = [actor.pk if actor else None, acting.text_of(actor)]
    for at in range(0, len(told), _AT_ONCE):
        rows = [
            [one.verb, one.subject_kind, one.subject_id, redact(one.before), redact(one.after)]
            for one in told[at : at + _AT_ONCE]
        ]
        with transaction.get_connection().cursor() as cursor:
            cursor.execute(_RECORD_MANY, [*who, request_id(), _json(rows)])


_AT_ONCE = 2_000
_RECORD_MANY = """
select count(r.id)
  from (select %s::bigint as person, %s as name, %s as request) who
 cross join jsonb_array_elements(%s::jsonb) with ordinality told(e, n)
 cross join lateral kernel_record(who.person, who.name, told.e ->> 0, told.e ->> 1, told.e ->> 2,
                                  nullif(told.e -> 3, 'null'), nullif(told.e -> 4, 'null'), '', who.request) r
"""
_RECORD = "select * from kernel_record(%s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s, %s)"


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, cls=DjangoJSONEncoder)


def entries_for(subject_kind: str, subject_id: str | int, *, limit: int = 200) -> Iterable[AuditEntry]:
    """The entries about a subject, newest first. The caller must have checked that the viewer may see the subject."""
    return AuditEntry.objects.filter(subject_kind=subject_kind, subject_id=str(subject_id)).select_related("actor")[
        :limit
    ]
