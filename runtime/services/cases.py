"""Cases of messages that are not in the log: rejected ones and conflicts. A person closes each of them once."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from psycopg.sql import SQL, Identifier

from kernel import audit
from kernel.digest import canonical_json
from kernel.errors import Conflict, Invalid, NotFound
from kernel.models import User
from runtime import permissions
from runtime.domain.erased import is_erased_document
from runtime.ledger import connections as ledger_connections
from runtime.ledger.append import IncomingMessage, append
from runtime.ledger.connections import Connection
from runtime.ledger.streams import load_stream
from runtime.models import ConflictCase, Integration, RejectedMessage
from runtime.selectors.corrections import MOST_CORRECTIONS
from runtime.services import correction_order

_DECIDE = """
update {table}
   set state = %s, decided_by_id = %s, decided_at = clock_timestamp(), note = %s
 where id = %s and state = 'open'"""


def dismiss_rejected(rejected_id: int, *, actor: User | None, note: str) -> None:
    """Decide that a rejected message is not needed. Needs a reason."""
    rejected = (
        RejectedMessage.objects.select_related("stream__integration__owner_team")
        .filter(pk=rejected_id, state="open")
        .first()
    )
    if rejected is None:
        raise NotFound("rejected.unknown", "This rejected message does not exist any more.")
    if not note.strip():
        raise Invalid("dead_letter.reason", "Give a reason for dismissing it.")
    permissions.require_operate(actor, rejected.stream.integration)
    decide_case(RejectedMessage, rejected_id, "dismissed", rejected.stream.integration, actor, note, {})


def settle_conflict(conflict_id: int, *, keep: bool, actor: User | None, note: str) -> None:
    """Close a conflict case.

    `keep`: the first message stands. Otherwise the other content is appended under the key with the suffix `#2`, `#3`,
    …, as a message of its own that says what it corrects; what was delivered is not undone, what still waits in
    quarantine is not sent any more. Raises Conflict `conflict.under_way` where a target that keeps one document of a
    name could still act on what it corrects after it.
    """
    case = (
        ConflictCase.objects.select_related("stream__integration__owner_team")
        .filter(pk=conflict_id, state="open")
        .first()
    )
    if case is None:
        raise NotFound("conflict.unknown", "There is no such open case.")
    if not note.strip():
        raise Invalid("conflict.reason", "Say why.")
    permissions.require_operate(actor, case.stream.integration)
    if not keep and is_erased_document(case.payload):
        raise Conflict(
            "conflict.erased",
            "The message under this key was erased, so what came was not stored again. Keep what is stored, and have "
            "it handed in again under a key of its own where it is still needed.",
        )
    integration, after = case.stream.integration, {"key": case.key}
    if keep:
        decide_case(ConflictCase, conflict_id, "kept", integration, actor, note, after)
        return
    with ledger_connections.connected(name="tillgate-corrections") as conn, conn.transaction():
        _append_correction(conn, case)
        decide_with_effect(conn, ConflictCase, conflict_id, "replaced", actor, note)
    record_decision(ConflictCase, conflict_id, "replaced", integration, actor, note, after)


class _NameTaken(Exception):
    """Another correction has this name; this one makes no case of its own."""


def _append_correction(conn: Connection, case: ConflictCase) -> None:
    stream = load_stream(conn, case.stream_id)
    names = [f"{case.key}#{number}" for number in range(2, MOST_CORRECTIONS)]
    correction_order.replace_what_waits(conn, stream, case.key, names, case.pk)
    payload = canonical_json(case.payload)
    for name in names:
        item = IncomingMessage(name, 0, payload, causation=f"conflict {case.pk}")
        with suppress(_NameTaken), conn.transaction():
            done = append(conn, stream, [item])
            if not (done.accepted or done.unchanged):
                raise _NameTaken
            return
    raise Conflict("conflict.too_many", "This key has been corrected too often.")


def decide_case(
    model: Any, pk: int, state: str, integration: Integration, actor: User | None, note: str, after: dict[str, Any]
) -> None:
    """Close one case with a person's decision. Raises Conflict when another was quicker."""
    with transaction.atomic():
        if not model.objects.filter(pk=pk, state="open").update(
            state=state, decided_by=actor, decided_at=Now(), note=note
        ):
            raise _decided()
        record_decision(model, pk, state, integration, actor, note, after)


def decide_with_effect(conn: Connection, model: Any, pk: int, state: str, actor: User | None, note: str) -> None:
    """Close one case in the transaction of what the decision does: neither is without the other. Last of it, because
    who stores a case holds the lane before. Raises Conflict when another was quicker. `record_decision` comes after."""
    table = Identifier(model._meta.db_table)
    values = state, actor.pk if actor else None, note, pk
    if conn.execute(SQL(_DECIDE).format(table=table), values).rowcount != 1:
        raise _decided()


def record_decision(
    model: Any, pk: int, state: str, integration: Integration, actor: User | None, note: str, after: dict[str, Any]
) -> None:
    verb = f"runtime.{model.__name__.lower()}_{state}"
    with transaction.atomic():
        audit.record(verb, "integration", integration.key, actor=actor, reason=note, after={"id": pk, **after})


def _decided() -> Conflict:
    return Conflict("case.decided", "Somebody has decided this meanwhile.")
