"""A payload is erased on request: nothing of it is left, and everything that is counted stays."""

from __future__ import annotations

import json

import psycopg
import pytest
from django.core.management import CommandError, call_command

from kernel.errors import Conflict, Invalid
from kernel.models import User
from kernel.viewer import Viewer
from runtime.domain.erased import BEGINS, ERASED, LONGEST, in_place_of, is_erased, is_same
from runtime.ledger.append import IncomingMessage, append
from runtime.ledger.connections import Connection
from runtime.ledger.dated_states import dated_key
from runtime.ledger.log_reader import LoggedMessage, decode
from runtime.ledger.mappers import Mapper
from runtime.models import ConflictCase
from runtime.selectors import traces
from runtime.services import cases, erasure
from tests import serving_role
from tests.runtime.make import Flow

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = b'{"mail": "ada@example.org"}'


def texts(conn: Connection) -> str:
    """Everything that the runtime has stored, as one text."""
    found = []
    for name in ("message", "attempt", "rejected", "conflict", "quarantine", "erasure"):
        found += [row[0] for row in conn.execute(f"select to_jsonb(t)::text from runtime_{name} t").fetchall()]
    return "\n".join(found)


def stored(ledger: Connection) -> tuple[Flow, int]:
    flow = Flow(ledger, lanes=1)
    subscription = flow.subscribe(kind="database")
    append(ledger, flow.ref, [IncomingMessage("ada", 1, SECRET), IncomingMessage("bob", 1, b'{"mail": "b"}')])
    append(ledger, flow.ref, [IncomingMessage("ada", 2, SECRET.replace(b"ada", b"ada.l"))])
    for table, values in (
        (
            "attempt",
            f"(subscription_id, lane, first, last, token, outcome, detail, answer) values ({subscription}, 0, 1, "
            "2, 1, 'unknown', 'ada@example.org?', 'no ada@example.org')",
        ),
        (
            "rejected",
            f"(stream_id, key, digest, reason_class, fingerprint, reason, raw) values ({flow.stream}, 'ada', "
            "'d', 'contract', 'f', 'ada@example.org is no number', 'ada@example.org')",
        ),
        (
            "conflict",
            f"(stream_id, key, held_position, hash, payload, state) values ({flow.stream}, 'ada', 1, 1, "
            "'{\"mail\": \"ada@example.org\"}', 'kept')",
        ),
    ):
        ledger.execute(f"insert into runtime_{table} {values}".encode())
    return flow, subscription


def pass_all(ledger: Connection, subscription: int) -> None:
    with ledger.transaction():
        ledger.execute("set local session_replication_role = replica")
        ledger.execute("update runtime_progress set position = 3 where subscription_id = %s", (subscription,))


def test_all_that_was_said_under_a_key_is_gone_and_the_chain_is_whole(ledger: Connection) -> None:
    flow, subscription = stored(ledger)
    pass_all(ledger, subscription)
    chain = ledger.execute("select position, key, version, previous from runtime_message order by 1").fetchall()
    assert "ada@example.org" in texts(ledger)
    assert erasure.erase(flow.stream, key="ada", actor=None, reason="request 17") == 2
    assert "example.org" not in texts(ledger)
    assert '"mail": "b"' in texts(ledger).replace("\\", "")
    assert ledger.execute("select position, key, version, previous from runtime_message order by 1").fetchall() == chain
    ledger.execute("select 1")
    assert append(ledger, flow.ref, [IncomingMessage("ada", 2, SECRET.replace(b"ada", b"ada.l"))]).unchanged == 1


def test_the_role_that_serves_erases(ledger: Connection) -> None:
    flow, subscription = stored(ledger)
    pass_all(ledger, subscription)
    with serving_role.acting():
        assert erasure.erase(flow.stream, key="ada", actor=None, reason="request 17") == 2
    assert "example.org" not in texts(ledger)


def test_what_was_erased_before_is_not_erased_again_and_it_is_said_by_whom(ledger: Connection) -> None:
    flow, subscription = stored(ledger)
    pass_all(ledger, subscription)
    ada = User.objects.create_superuser("ada")
    assert erasure.erase(flow.stream, lane=0, position=1, actor=ada, reason="request 17") == 1
    found = erasure.preview(flow.stream, key="ada", actor=None)
    assert (found.messages, [(one.by, one.messages) for one in found.earlier]) == (1, [("ada", 1)])
    assert erasure.erase(flow.stream, key="ada", actor=None, reason="request 18") == 1
    assert erasure.erase(flow.stream, key="ada", actor=None, reason="request 19") == 0
    found = erasure.preview(flow.stream, key="ada", actor=None)
    assert (found.messages, [(one.by, one.messages) for one in found.earlier]) == (0, [("ada", 1), ("the server", 1)])


def test_what_is_still_needed_is_not_erased(ledger: Connection) -> None:
    flow, subscription = stored(ledger)
    with pytest.raises(Conflict, match="has still to take it"):
        erasure.erase(flow.stream, lane=0, position=1, actor=None, reason="request 17")
    pass_all(ledger, subscription)
    ledger.execute(
        "insert into runtime_quarantine (subscription_id, lane, position, key, state) values (%s, 0, 1, 'ada', 'dead')",
        (subscription,),
    )
    with pytest.raises(Conflict, match="discard it first"):
        erasure.erase(flow.stream, lane=0, position=1, actor=None, reason="request 17")
    with pytest.raises(Invalid, match="on whose request"):
        erasure.erase(flow.stream, lane=0, position=1, actor=None, reason=" ")
    assert "ada@example.org" in texts(ledger)


def test_the_database_changes_a_message_only_where_an_erasure_is_recorded(ledger: Connection) -> None:
    flow, subscription = stored(ledger)
    pass_all(ledger, subscription)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        ledger.execute("update runtime_message set payload = %s::json", (ERASED.decode(),))
    assert erasure.erase(flow.stream, lane=0, position=2, actor=None, reason="request 17") == 1
    more = ERASED.decode().replace("}", ', "mail": "ada"}')
    for change in ("payload = '{}'::json", "key = 'x'", f"payload = '{more}'::json"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            ledger.execute(f"update runtime_message set {change} where position = 2".encode())


SALE = {"store": "0187", "businessDate": "2026-11-23", "sequence": 7, "total": 12.5, "card": "ada@example.org"}


def spelled(document: dict[str, object], how: str) -> bytes:
    """One value in another spelling."""
    if how == "spaces":
        return json.dumps(document, indent=2).encode()
    if how == "order":
        return json.dumps(dict(reversed(document.items()))).encode()
    return json.dumps(document, separators=(",", ":")).replace("12.5", "1.250e1").encode()


@pytest.mark.parametrize("how", ["spaces", "order", "numbers"])
@pytest.mark.parametrize("immutable", [True, False])
def test_the_same_fact_is_known_when_it_comes_again_in_another_spelling(
    ledger: Connection, how: str, immutable: bool
) -> None:
    flow = Flow(ledger, lanes=1, immutable=immutable)
    append(ledger, flow.ref, [IncomingMessage("sale", 0, json.dumps(SALE).encode())])
    erasure.erase(flow.stream, key="sale", actor=None, reason="request 17")
    done = append(ledger, flow.ref, [IncomingMessage("sale", 0, spelled(SALE, how))], tell_held=True)
    assert (done.unchanged, done.held) == (1, {0: 1})
    assert everywhere(ledger, "ada@example.org") == []


def test_of_other_content_under_an_erased_key_nothing_is_stored(ledger: Connection) -> None:
    """It is a case for a person all the same, who cannot let in what is not there."""
    flow = Flow(ledger, lanes=1, immutable=True)
    append(ledger, flow.ref, [IncomingMessage("sale", 0, json.dumps(SALE).encode())])
    erasure.erase(flow.stream, key="sale", actor=None, reason="request 17")
    for total in (99, 99, 98):
        done = append(ledger, flow.ref, [IncomingMessage("sale", 0, json.dumps(SALE | {"total": total}).encode())])
        assert done.conflicts == 1
    assert everywhere(ledger, "ada@example.org") == []
    assert ConflictCase.objects.count() == 2
    case = ConflictCase.objects.earliest("pk")
    with pytest.raises(Conflict, match="was erased"):
        cases.settle_conflict(case.pk, keep=False, actor=None, note="the till was right")
    cases.settle_conflict(case.pk, keep=True, actor=None, note="it was erased")


def test_what_was_erased_without_a_hash_takes_nothing_of_a_person_again(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1, immutable=True)
    append(ledger, flow.ref, [IncomingMessage("sale", 0, json.dumps(SALE).encode())])
    with ledger.transaction():
        ledger.execute("set local session_replication_role = replica")
        ledger.execute("update runtime_message set payload = %s::json", (ERASED.decode(),))
    assert append(ledger, flow.ref, [IncomingMessage("sale", 0, spelled(SALE, "order"))]).conflicts == 1
    assert append(ledger, flow.ref, [IncomingMessage("sale", 0, json.dumps(SALE).encode())]).unchanged == 1
    assert everywhere(ledger, "ada@example.org") == []


@pytest.mark.parametrize(
    ("document", "left"),
    [
        (SALE, ', "businessDate": "2026-11-23", "store": "0187"'),
        ({"store": 187, "business_date": "2026-11-23T10:00"}, ', "businessDate": "2026-11-23", "store": "187"'),
        ({"store": "Ada Lovelace", "businessDate": "born 1815"}, ""),
        ({"store": "ada@example.org", "businessDate": ["2026-11-23"]}, ""),
        ({"store": '1", "x": "', "businessDate": '2026-11-2"'}, ""),
        ([1], ""),
    ],
)
def test_day_and_store_are_all_that_stays_of_a_document(ledger: Connection, document: object, left: str) -> None:
    flow = Flow(ledger, lanes=1)
    payload = json.dumps(document).encode()
    append(ledger, flow.ref, [IncomingMessage("one", 0, payload)])
    for _ in range(2):
        erasure.erase(flow.stream, key="one", actor=None, reason="request 17")
    row = ledger.execute("select payload::text from runtime_message").fetchone()
    assert row
    said, _, _ = row[0].partition(', "same"')
    assert said == BEGINS.decode() + left
    assert len(row[0]) <= LONGEST
    assert is_erased(row[0].encode())
    assert is_same(row[0].encode(), payload, flow.ref.hashes_of)
    assert in_place_of(row[0].encode(), flow.ref.hashes_of) == row[0].encode()


def test_who_reads_the_log_later_skips_what_was_erased() -> None:
    mapper = Mapper(lambda message: message.document, lambda payloads: [text.decode() for text in payloads])
    known = ERASED.replace(b"}", b', "businessDate": "2026-11-23", "store": "1", "same": "-a"}')
    raw = [LoggedMessage(1, "a", ERASED, ""), LoggedMessage(2, "b", b"{}", ""), LoggedMessage(3, "c", known, "")]
    plain = [one._replace(document=decode(one.document)) for one in raw]
    for messages, made in ((raw, mapper), (plain, Mapper(mapper.one))):
        mapped, entries, skipped = made.many(messages)
        assert ([message.position for message, _ in mapped], entries, skipped) == ([2], [], [1, 3])


def test_every_state_of_a_dated_subject_goes_with_its_key(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    keys = ["ada", dated_key("ada", "2027-01-01"), dated_key("ada", "2027-02-01")]
    append(ledger, flow.ref, [IncomingMessage(key, 1, SECRET) for key in [*keys, "adamant", "ad"]])
    assert erasure.erase(flow.stream, key="ada", actor=None, reason="request 17") == 3
    assert texts(ledger).count("example.org") == 2


def test_what_is_known_no_more_of_a_key_is_found_in_the_log(ledger: Connection) -> None:
    """Retention has dropped the head; the same fact came again and began another chain."""
    flow = Flow(ledger, lanes=1, immutable=True)
    append(ledger, flow.ref, [IncomingMessage("ada", 1, SECRET)])
    ledger.execute("delete from runtime_head where stream_id = %s", (flow.stream,))
    ledger.execute(
        "insert into runtime_dropped (data_class, stream_id, day, number) values ('heads', %s, current_date, 1)",
        (flow.stream,),
    )
    append(ledger, flow.ref, [IncomingMessage("ada", 1, SECRET), IncomingMessage("bob", 1, SECRET)])
    assert erasure.erase(flow.stream, key="ada", actor=None, reason="request 17") == 2
    assert texts(ledger).count("example.org") == 1


def test_a_dry_run_says_what_would_go_and_what_is_in_the_way_and_changes_nothing(ledger: Connection) -> None:
    flow, subscription = stored(ledger)
    before = texts(ledger)
    preview = erasure.preview(flow.stream, key="ada", actor=None)
    assert (preview.messages, [one.who for one in preview.waits]) == (2, ["store"])
    pass_all(ledger, subscription)
    assert erasure.preview(flow.stream, key="ada", actor=None).waits == ()
    assert texts(ledger) == before


def everywhere(conn: Connection, marker: str) -> list[str]:
    """Every table with a row that has the text anywhere, as a dump of the database would have it."""
    tables = conn.execute(
        "select c.relname from pg_class c where c.relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    found = []
    for (name,) in tables.fetchall():
        query = psycopg.sql.SQL("select exists (select from {} t where strpos(to_jsonb(t)::text, %s) > 0)")
        if (row := conn.execute(query.format(psycopg.sql.Identifier(name)), (marker,)).fetchone()) and row[0]:
            found.append(name)
    return found


def corrected(ledger: Connection) -> tuple[Flow, int]:
    """A sale, other content under its key, and the correction that a person made of it; then the same once more."""
    flow = Flow(ledger, lanes=2, immutable=True)
    for number in range(3):
        append(ledger, flow.ref, [IncomingMessage("sale", 0, b'{"total": %d, "of": "ada@example.org"}' % number)])
    append(ledger, flow.ref, [IncomingMessage("sale#7", 0, b'{"of": "bob"}')])  # a key of its own
    for case in ConflictCase.objects.order_by("pk"):
        cases.settle_conflict(case.pk, keep=False, actor=None, note="the till was right")
    return flow, 3


@pytest.mark.parametrize("key", ["sale", "sale#2", "sale#3"])
def test_the_corrections_of_a_key_go_with_it(ledger: Connection, key: str) -> None:
    flow, count = corrected(ledger)
    assert everywhere(ledger, "ada@example.org")
    assert erasure.preview(flow.stream, key=key, actor=None).messages == count
    assert erasure.erase(flow.stream, key=key, actor=None, reason="request 17") == count
    assert everywhere(ledger, "ada@example.org") == []
    assert '"of": "bob"' in texts(ledger).replace("\\", "")


def test_a_correction_goes_where_its_head_and_its_case_are_dropped(ledger: Connection) -> None:
    flow, count = corrected(ledger)
    ledger.execute("delete from runtime_head where stream_id = %s", (flow.stream,))
    ledger.execute(
        "insert into runtime_dropped (data_class, stream_id, day, number) values ('heads', %s, current_date, 1)",
        (flow.stream,),
    )
    ledger.execute("delete from runtime_conflict")
    assert erasure.erase(flow.stream, key="sale", actor=None, reason="request 17") == count
    assert everywhere(ledger, "ada@example.org") == []


def test_what_was_rejected_before_it_was_stored_goes_whatever_its_key_was(ledger: Connection) -> None:
    """It could not be read, or stands under the key that its source gives it."""
    flow = Flow(ledger, lanes=1)
    put = (
        "insert into runtime_rejected (stream_id, source, key, digest, reason_class, fingerprint, reason, raw, state) "
        "values (%s, %s, %s, %s, 'unreadable', 'f', 'no number: ada@example.org', 'ada@example.org', 'fixed') "
        "returning id"
    )
    before = ledger.execute(put, (flow.stream, "tills", "", "d1")).fetchone()
    assert before
    names = [{"name": name, "system": "pos"} for name in ("tills", "web")]
    flow.deploy({"integration": flow.key, "sources": names, "build": 2})
    ledger.execute(put, (flow.stream, "web", "ada", "d2"))
    ledger.execute(put, (flow.stream, "tills", "ada", "d3"))
    append(ledger, flow.ref, [IncomingMessage("web:ada", 1, SECRET, causation=f"rejected {before[0]}")])
    assert erasure.erase(flow.stream, key="web:ada", actor=None, reason="request 17") == 1
    left = ledger.execute("select source, key from runtime_rejected where raw <> 'erased'").fetchall()
    assert left == [("tills", "ada")]  # the key of another source


@pytest.mark.parametrize("key", ["person-4711", "ada@example.org", "tills:person-4711"])
def test_what_was_rejected_without_a_key_goes_where_it_names_the_key(ledger: Connection, key: str) -> None:
    """A row that nobody could read has no key; what it holds may say the key all the same."""
    flow = Flow(ledger, lanes=1)
    names = [{"name": name, "system": "pos"} for name in ("tills", "web")]
    flow.deploy({"integration": flow.key, "sources": names, "build": 2})
    put = (
        "insert into runtime_rejected (stream_id, source, key, digest, reason_class, fingerprint, reason, raw) "
        "values (%s, 'tills', %s, %s, 'unreadable', 'f', 'cut off', %s)"
    )
    given = key.removeprefix("tills:")
    broken = [f'{{"id": "{given}", "name": "Ada L', f"{given};Ada Lovelace;x", f"<Id>{given}</Id><Name>Ada"]
    others = [f'{{"id": "{given}1"}}', f"x{given}", f"pre-{given}", '{"id": "somebody else"}']
    for number, raw in enumerate([*broken, *others]):
        ledger.execute(put, (flow.stream, "", f"d{number}", raw))
    ledger.execute(put, (flow.stream, "another", "known", broken[0]))
    append(ledger, flow.ref, [IncomingMessage(key, 1, SECRET)])
    assert erasure.erase(flow.stream, key=key, actor=None, reason="request 17") == 1
    left = {raw for (raw,) in ledger.execute("select raw from runtime_rejected where raw <> 'erased'").fetchall()}
    assert left == {*others, broken[0]}, "that one has a key of its own, which is another one"


def test_a_short_key_is_not_looked_for_in_what_has_none(ledger: Connection) -> None:
    flow = Flow(ledger, lanes=1)
    ledger.execute(
        "insert into runtime_rejected (stream_id, source, key, digest, reason_class, fingerprint, reason, raw) "
        "values (%s, '', '', 'd', 'unreadable', 'f', 'cut off', '{\"total\": 12')",
        (flow.stream,),
    )
    append(ledger, flow.ref, [IncomingMessage("12", 1, SECRET)])
    erasure.erase(flow.stream, key="12", actor=None, reason="request 17")
    assert ledger.execute("select count(*) from runtime_rejected where raw <> 'erased'").fetchone() == (1,)


def test_a_dated_state_goes_with_the_copy_that_came_on_its_day(ledger: Connection) -> None:
    flow, key = Flow(ledger, lanes=1), dated_key("ada", "2026-01-01")
    append(ledger, flow.ref, [IncomingMessage(key, 1, SECRET), IncomingMessage("bob", 1, b'{"mail": "b"}')])
    append(ledger, flow.ref, [IncomingMessage(key, 2, SECRET + b" ")])  # as the scheduler would put it there
    ledger.execute(
        "insert into runtime_validitymoment "
        "(stream_id, subject, record, zone, at, kind, fired_at, position, of_position) "
        "values (%s, 'ada', '2026-01-01', 'UTC', now(), 'begins', now(), 3, 1)",
        (flow.stream,),
    )
    for position in (1, 3):
        assert erasure.preview(flow.stream, lane=0, position=position, actor=None).messages == 2
    assert erasure.erase(flow.stream, lane=0, position=3, actor=None, reason="request 17") == 2
    assert everywhere(ledger, "ada@example.org") == []


def test_what_pages_quote_of_an_answer_goes_with_it(ledger: Connection) -> None:
    flow, subscription = stored(ledger)
    pass_all(ledger, subscription)
    run = ledger.execute(
        "insert into runtime_run (integration_id, stream_id, trigger, kind, state, error, ended_at) values "
        "(%s, %s, 'manual', 'collect', 'failed', 'too many are rejected, first: ada@example.org is no number', now()) "
        "returning id",
        (flow.integration, flow.stream),
    ).fetchone()
    ledger.execute("update runtime_rejected set run_id = %s", run)
    other = flow.vendor(last_error="connection refused")
    ledger.execute(
        "update runtime_vendorstate set last_error = 'ada@example.org?', fault_detail = 'no ada@example.org' "
        "where id <> %s",
        (other,),
    )
    ledger.execute("update runtime_subscription set fault_detail = 'ada@example.org?'")
    erasure.erase(flow.stream, key="ada", actor=None, reason="request 17")
    assert everywhere(ledger, "ada@example.org") == []
    assert everywhere(ledger, "connection refused") == ["runtime_vendorstate"]


def test_the_trace_of_a_fact_names_its_corrections_and_each_of_them_what_it_corrects(ledger: Connection) -> None:
    corrected(ledger)
    viewer = Viewer.of(User.objects.create_superuser("root"))
    named = {}
    for key in ("sale", "sale#2", "sale#3", "sale#7"):
        found = traces.trace(traces.search(viewer, key)[0])
        named[key] = [one.key for one in found.corrections]
    assert named == {
        "sale": ["sale#2", "sale#3"],
        "sale#2": ["sale", "sale#3"],
        "sale#3": ["sale", "sale#2"],
        "sale#7": [],
    }
    cause = traces.trace(traces.search(viewer, "sale#2")[0]).causation
    assert cause.startswith("conflict ")
    assert [one.key for one in traces.search(viewer, cause)] == ["sale#2"]


def test_the_command_erases_nothing_in_a_dry_run(ledger: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    flow, _ = stored(ledger)
    before = texts(ledger)
    call_command("erase_payload", flow.key, "ada", "--dry-run")
    said = capsys.readouterr().out
    assert "2 messages would be erased" in said
    assert "In the way: store has still to take it" in said
    assert texts(ledger) == before
    with pytest.raises(CommandError, match="on whose request"):
        call_command("erase_payload", flow.key, "ada")
