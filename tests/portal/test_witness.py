"""A ledger that was written anew, cut, put into another order, dated back, or whose functions were replaced is found:
its heads were signed and kept outside the database."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from kernel import audit, audit_chain, clock
from kernel.models import AuditEntry, AuditLink
from portal import ledger
from portal.witness import heads, keys, lines, senders, verifying, witnessing
from runtime.models import Rewind

pytestmark = pytest.mark.django_db(transaction=True)

REHASH = """
do $$
declare
  l record;
  head text := repeat('0', 64);
begin
  for l in select * from kernel_auditlink order by position loop
    update kernel_auditlink k
       set previous_hash = head, hash = kernel_audit_hash(head, e, l.version)
      from kernel_auditentry e
     where e.id = l.entry_id and k.position = l.position
    returning k.hash into head;
  end loop;
end $$;
"""


@pytest.fixture(autouse=True)
def witness(settings, tmp_path: Path) -> Path:
    settings.WITNESS_FILE = str(tmp_path / "witness" / "heads.jsonl")
    ledger.forget_chain_state()
    return Path(settings.WITNESS_FILE)


def write(count: int = 5) -> None:
    for number in range(count):
        with transaction.atomic():
            audit.record("kernel.tested", "thing", number, actor=None, after={"price": "1.00"})


def as_owner(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"set session_replication_role = replica; {sql}; set session_replication_role = origin")


def refused() -> str:
    with pytest.raises(CommandError) as found:
        call_command("verify_ledger")
    assert found.value.returncode == 1
    return str(found.value)


@pytest.fixture
def functions_put_back() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("select pg_get_functiondef(oid) from pg_proc where proname like 'kernel_audit%'")
        texts = [row[0] for row in cursor.fetchall()]
    yield
    with connection.cursor() as cursor:
        for text in texts:
            cursor.execute(text)


# -- what the owner of the database does -------------------------------------------------------------------------------
def test_an_entry_that_was_rewritten_with_all_hashes_after_it_is_found():
    write()
    witnessing.witness()
    as_owner("update kernel_auditentry set actor_text = 'Somebody Else' where subject_id = '2';" + REHASH)
    assert audit.verify().sound  # the chain alone does not know
    assert "another head was witnessed" in refused()


def test_a_rewrite_that_was_itself_witnessed_a_minute_later_is_found():
    write()
    witnessing.witness()
    as_owner("update kernel_auditentry set actor_text = 'Somebody Else' where subject_id = '2';" + REHASH)
    witnessing.witness()
    write()
    witnessing.witness()
    assert "another head was witnessed" in refused()


def test_a_ledger_that_was_cut_is_found():
    write()
    witnessing.witness()
    as_owner("delete from kernel_auditlink where position > 3; delete from kernel_auditentry where subject_id > '2'")
    assert audit.verify().sound
    assert "it was cut" in refused()


def test_entries_in_another_order_are_found():
    write()
    witnessing.witness()
    as_owner(
        "update kernel_auditlink set entry_id = -entry_id where position in (2, 3);"
        "update kernel_auditlink l set entry_id = (select -o.entry_id from kernel_auditlink o"
        " where o.position = 5 - l.position) where position = 2;"
        "update kernel_auditlink l set entry_id = (select id from kernel_auditentry where subject_id = '1')"
        " where position = 3;" + REHASH
    )
    assert audit.verify().sound
    assert "another head was witnessed" in refused()


def test_a_replaced_function_of_the_database_changes_nothing_about_what_is_found(functions_put_back: None):
    write()
    as_owner(
        "update kernel_auditentry set actor_text = 'Somebody Else' where subject_id = '2';"
        "create or replace function kernel_audit_hash(previous text, e kernel_auditentry, version int) returns text"
        " language sql stable as $$ select hash from kernel_auditlink where entry_id = e.id $$"
    )
    assert "altered" in refused()
    as_owner("update kernel_auditentry set actor_text = 'system' where subject_id = '2'")
    assert "function kernel_audit_hash is not the one of this release" in refused()


def test_a_trigger_that_was_switched_off_or_dropped_is_found():
    write()
    as_owner("alter table kernel_user disable trigger told")
    try:
        assert "trigger told on kernel_user is switched off" in refused()
    finally:
        as_owner("alter table kernel_user enable trigger told")
    call_command("verify_ledger", stdout=StringIO())


def test_an_entry_that_was_dated_back_is_found():
    write()
    witnessing.witness()
    as_owner("alter table kernel_auditentry disable trigger stamp")
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into kernel_auditentry (at, actor_text, verb, subject_kind, subject_id, reason, request_id)"
            " values (now() - interval '30 days', 'Rita Hansen', 'x', 'x', 'x', '', '')"
        )
    as_owner("alter table kernel_auditentry enable trigger stamp")
    assert audit.verify().sound
    said = refused()
    assert "position 6" in said
    assert "a time at which it was not written" in said


def test_a_clock_that_was_put_back_is_no_alarm():
    write(2)
    now = clock.now()
    before = audit_chain.Witnessed(1, AuditLink.objects.get(position=1).hash, now + timedelta(days=1))
    after = audit_chain.Witnessed(2, AuditLink.objects.get(position=2).hash, now)
    assert audit_chain.verify(witnessed=[before, after]).sound
    assert not audit_chain.verify(witnessed=[before, audit_chain.Witnessed(2, after.hash, before.at)]).sound


# -- what is no alarm --------------------------------------------------------------------------------------------------
def test_a_column_that_is_added_breaks_nothing():
    write()
    witnessing.witness()
    as_owner("alter table kernel_auditentry add column note text default 'new'")
    try:
        write(1)
        assert verifying.verify().chain.sound
    finally:
        as_owner("alter table kernel_auditentry drop column note")


def test_entries_of_before_stay_verified_by_their_own_list_of_columns():
    write(2)
    as_owner("update kernel_auditlink set version = 1;" + REHASH)
    write(2)
    assert list(AuditLink.objects.order_by("position").values_list("version", flat=True)) == [1, 1, 2, 2]
    assert verifying.verify().chain.sound
    as_owner("update kernel_auditlink set version = 1 where position = 4;" + REHASH)
    assert "list of columns" in verifying.verify().chain.reason


def test_a_restored_backup_is_said_in_words_once_somebody_stated_it(witness: Path):
    write()
    witnessing.witness()
    write()
    witnessing.witness()
    as_owner(
        "delete from kernel_auditlink where position > 7; delete from kernel_auditentry where id >"
        " (select entry_id from kernel_auditlink where position = 7)"
    )
    witnessing.witness()
    assert "it was cut, or a backup was restored and nobody said so" in refused()
    Rewind.objects.create(reason="stated", note="backup of Monday", window_until=clock.now())
    witnessing.witness()
    write(1)
    witnessing.witness()
    found = verifying.verify()
    assert found.chain.sound, found.chain.reason
    [note] = found.notes
    assert "went back to position 5" in note
    assert "backup of Monday" in note
    assert "1 heads" in note


def test_a_restoration_excuses_only_what_came_after_the_backup():
    write()
    witnessing.witness()
    write()
    witnessing.witness()
    as_owner(
        "delete from kernel_auditlink where position > 7; delete from kernel_auditentry where id >"
        " (select entry_id from kernel_auditlink where position = 7)"
    )
    Rewind.objects.create(reason="stated", note="backup of Monday", window_until=clock.now())
    witnessing.witness()
    assert verifying.verify().chain.sound
    as_owner("update kernel_auditentry set actor_text = 'Somebody Else' where subject_id = '2';" + REHASH)
    assert "another head was witnessed" in refused()


# -- the file ----------------------------------------------------------------------------------------------------------
def test_a_head_is_written_when_it_moved_and_signed_with_a_key_of_its_own(witness: Path):
    write()
    assert (witnessing.witness(), witnessing.witness()) == (1, 0)
    write(1)
    assert witnessing.witness() == 1
    found = lines.read(witness)
    assert [head.position for head in found.heads] == [5, 6]
    assert heads.signed_by(found.newest, keys.known())
    assert witness.stat().st_mode & 0o777 == 0o600
    assert (witness.parent / "statement-keys.pem").stat().st_mode & 0o777 == 0o600


def test_a_line_that_is_missing_or_forged_shows(witness: Path):
    for _ in range(3):
        write(1)
        witnessing.witness()
    first, second, third = witness.read_bytes().splitlines(keepends=True)
    witness.write_bytes(first + third)
    assert "does not follow the one before it" in refused()
    forged = json.loads(third)
    forged["signatures"][0]["sig"] = "00" * 64
    witness.write_bytes(first + second + json.dumps(forged).encode() + b"\n")
    assert "signed by no key that is known here" in refused()


def test_a_line_that_a_crash_cut_is_passed_over(witness: Path):
    write(1)
    witnessing.witness()
    with witness.open("ab") as file:
        file.write(b'{"payload": "ey')
    write(1)
    witnessing.witness()
    assert [head.position for head in lines.read(witness).heads] == [1, 2]
    assert verifying.verify().chain.sound


def test_the_page_says_when_the_ledger_was_witnessed(client: Any, django_user_model: Any):
    client.force_login(django_user_model.objects.create_superuser("boss", password="x"))
    witnessing.witness()
    assert "The newest witness is of" in client.get("/ledger/").text
    as_owner("delete from kernel_auditlink; delete from kernel_auditentry")
    write(1)
    ledger.forget_chain_state()
    assert "Altered" in client.get("/ledger/").text


def test_without_a_witness_the_command_says_so(capsys: pytest.CaptureFixture[str]):
    write()
    call_command("verify_ledger")
    assert "No head was witnessed outside the database yet" in capsys.readouterr().out


def test_another_witness_can_be_named(tmp_path: Path, witness: Path):
    write()
    witnessing.witness()
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(witness.read_bytes())
    as_owner("delete from kernel_auditlink where position > 3; delete from kernel_auditentry where subject_id > '2'")
    call_command("verify_ledger", no_witness=True)
    with pytest.raises(CommandError, match="it was cut"):
        call_command("verify_ledger", witness=str(copy))
    with pytest.raises(CommandError, match="no file"):
        call_command("verify_ledger", witness=str(tmp_path / "nowhere"))


# -- other places ------------------------------------------------------------------------------------------------------
def test_a_head_goes_to_syslog_webhook_and_store_and_one_that_fails_holds_up_nothing(
    settings, witness: Path, monkeypatch: pytest.MonkeyPatch
):
    came: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        came.append(request)
        return httpx.Response(500 if request.url.host == "hook.example" else 200)

    monkeypatch.setattr(senders, "_client", lambda: httpx.Client(transport=httpx.MockTransport(answer)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        log.bind(("127.0.0.1", 0))
        log.settimeout(5)
        settings.WITNESS = {
            "webhook": "https://hook.example/heads",
            "syslog": f"udp://127.0.0.1:{log.getsockname()[1]}",
            "s3_url": "https://store.example/bucket/ledger",
            "s3_key": "AKID",
            "s3_secret": "secret",
            "s3_region": "eu-central-1",
        }
        write()
        assert witnessing.witness() == 1
        told = log.recv(8192)
    line = witness.read_bytes().strip()
    assert line in told
    assert told.startswith(b"<37>tillgate-witness: ")
    hook, store = came
    assert hook.content == store.content == line
    assert store.method == "PUT"
    assert store.headers["If-None-Match"] == "*"
    assert store.url.path.startswith("/bucket/ledger/")
    assert store.url.path.endswith("-5.json")
    assert "Credential=AKID/" in store.headers["Authorization"]


# -- the hash ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("version", [1, 2])
def test_the_text_that_is_hashed_here_is_the_databases_own(version: int):
    odd = 'quote " back \\ slash / tab \t feed \n \x01 \x7f ü € 😀 \u2028'
    values = [None, {"b": 1.50, "a": [1, True, None, odd], "long": {"é": "x"}}, [], "text", 0, 1e30]
    for value in values:
        with transaction.atomic():
            audit.record("kernel.tested", odd[:50], odd, actor=None, before=value, after=value, reason=odd)
    with connection.cursor() as cursor:
        cursor.execute("select kernel_audit_text(e, %s) from kernel_auditentry e order by id", [version])
        theirs = [row[0] for row in cursor.fetchall()]
        cursor.execute(
            "select id, at, actor_id, actor_text, verb, subject_kind, subject_id, before::text as before,"
            " after::text as after, reason, request_id, written_by from kernel_auditentry order by id"
        )
        names = [column.name for column in cursor.description]
        ours = [audit_chain.text_of(dict(zip(names, row, strict=True)), version) for row in cursor.fetchall()]
    assert ours == theirs
    assert AuditEntry.objects.count() == len(values)


def test_the_signature_of_an_object_is_the_one_that_botocore_makes():
    store = senders.ObjectStore("https://store.example/bucket", "AKID", "sec/ret", "eu-central-1")
    at = datetime(2026, 11, 30, 4, 5, 6, tzinfo=UTC)
    made = senders.signed_headers(store, "store.example", "/bucket/2026/a-5.json", b'{"x":1}', at)
    assert made["authorization"].endswith("620979666a5f9995b5780852eb378f0b7acbc003b19099d9124488ad4f9704e8")


def test_a_ledger_that_is_too_long_for_a_page_is_not_checked_by_it(client: Any, django_user_model: Any, monkeypatch):
    client.force_login(django_user_model.objects.create_superuser("boss", password="x"))
    verify = verifying.verify
    monkeypatch.setattr(ledger.verifying, "verify", lambda **given: verify(**given | {"within": -1.0}))
    text = client.get("/ledger/").text
    assert "Not checked" in text
    assert "verify_ledger" in text


FORGED = """
insert into governance_approval (origin, change_id, revision, subject_kind, subject_id, digest, environment,
  subject_digest, diff_digest, impact_digest, policy_digest, filled_slots, approver_ids, used_by_text, void_reason)
values ('review', 7, 1, 'integration', 'price-feed', 'sha256:1', 'production', 'sha256:1', 'sha256:2', 'sha256:3',
  'sha256:4', '[]', '{1}', '', '')"""


def test_an_approval_of_which_the_ledger_knows_nothing_is_found(witness: Path):
    write()
    assert verifying.verify().chain.sound
    as_owner(FORGED)
    try:
        found = verifying.verify().chain
        assert not found.sound
        assert "of integration price-feed for production has no entry in the ledger" in found.reason
    finally:
        as_owner("delete from governance_approval")
