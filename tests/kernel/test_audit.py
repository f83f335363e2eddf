"""The ledger refuses change by raw SQL, and shows where it was altered or cut."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from kernel import audit
from kernel.models import AuditEntry, AuditLink

pytestmark = pytest.mark.django_db(transaction=True)


def entry(number: int = 1, **more) -> AuditEntry:
    with transaction.atomic():
        return audit.record("kernel.tested", "thing", number, actor=None, **more)


def alter(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"set session_replication_role = replica; {sql}; set session_replication_role = origin")


def test_an_entry_outside_a_transaction_is_refused():
    with pytest.raises(RuntimeError):
        audit.record("kernel.tested", "thing", 1, actor=None)


@pytest.mark.parametrize(
    "sql",
    [
        "update kernel_auditentry set verb = 'x'",
        "delete from kernel_auditentry",
        "truncate kernel_auditentry cascade",
        "update kernel_auditlink set hash = repeat('0', 64)",
        "delete from kernel_auditlink",
        "truncate kernel_auditlink",
    ],
)
def test_raw_sql_can_neither_change_nor_remove_an_entry(sql):
    entry()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert audit.verify().sound


def test_links_follow_commit_order_and_the_chain_verifies():
    for number in range(5):
        entry(number)
    assert list(AuditLink.objects.values_list("position", flat=True)) == [1, 2, 3, 4, 5]
    result = audit.verify()
    assert (result.sound, result.entries, result.head) == (True, 5, AuditLink.objects.get(position=5).hash)


def test_an_altered_entry_is_found_at_its_position():
    for number in range(3):
        entry(number, after={"price": "1.00"})
    alter("update kernel_auditentry set after = '{\"price\": \"9.00\"}' where subject_id = '1'")
    result = audit.verify()
    assert (result.sound, result.broken_at) == (False, 2)


def test_a_cut_ledger_no_longer_has_the_anchored_head():
    for number in range(3):
        entry(number)
    anchor = (3, AuditLink.objects.get(position=3).hash)
    alter("delete from kernel_auditlink where position = 3; delete from kernel_auditentry where subject_id = '2'")
    assert audit.verify().sound
    assert not audit.verify(anchor=anchor).sound


def test_an_entry_smuggled_past_the_trigger_stands_outside_the_chain():
    entry()
    alter(
        "insert into kernel_auditentry (at, actor_text, verb, subject_kind, subject_id, reason, request_id)"
        " values (now(), 'x', 'x', 'x', 'x', '', '')"
    )
    assert "not part of the chain" in audit.verify().reason


def test_secrets_are_redacted_by_their_key():
    made = entry(after={"api_key": "k", "nested": [{"password": "p", "name": "n"}], "token_hash": "h"})
    assert made.after == {
        "api_key": "[redacted]",
        "nested": [{"password": "[redacted]", "name": "n"}],
        "token_hash": "h",
    }
