"""A payload is erased on request: nothing of it is left, and everything that is counted stays."""

from __future__ import annotations

import psycopg
import pytest

from kernel.errors import Conflict, Invalid
from runtime.domain.retention import ERASED
from runtime.ledger.append import IncomingMessage, append
from runtime.ledger.connections import Connection
from runtime.ledger.dated_states import dated_key
from runtime.ledger.log_reader import LoggedMessage, decode
from runtime.ledger.mappers import Mapper
from runtime.services import erasure
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
    for change in ("payload = '{}'::json", "key = 'x'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            ledger.execute(f"update runtime_message set {change} where position = 2".encode())


def test_who_reads_the_log_later_skips_what_was_erased() -> None:
    mapper = Mapper(lambda message: message.document, lambda payloads: [text.decode() for text in payloads])
    raw = [LoggedMessage(1, "a", ERASED, ""), LoggedMessage(2, "b", b"{}", "")]
    plain = [one._replace(document=decode(one.document)) for one in raw]
    for messages, made in ((raw, mapper), (plain, Mapper(mapper.one))):
        mapped, entries, skipped = made.many(messages)
        assert ([message.position for message, _ in mapped], entries, skipped) == ([2], [], [1])


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
