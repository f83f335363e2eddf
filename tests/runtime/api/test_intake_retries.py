"""A client that did not get its answer sends again, also in other parts: the ledger has each message once."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.errors import Unavailable
from runtime.domain import batches, same_value
from runtime.ledger import append
from runtime.ledger.connections import connected
from runtime.models import ConflictCase, Message, RejectedMessage
from runtime.services import intake

pytestmark = pytest.mark.django_db(transaction=True)


class Cut(Exception):
    """The line breaks at a point of the append."""


def cut_at(monkeypatch: pytest.MonkeyPatch, point: str, times: int = 1) -> None:
    """The next `times` calls break there: before the commit nothing is stored, after it only the answer is lost."""
    left = [times]

    def break_there(name: str) -> None:
        if name == point and left[0]:
            left[0] -= 1
            raise Cut(name)

    monkeypatch.setattr("runtime.ledger.append.hit", break_there)


def body(numbers: list[int]) -> bytes:
    return json.dumps({"items": [{"id": f"s{number}", "total": number} for number in numbers]}).encode()


@pytest.mark.parametrize("point", ["append.before_write", "append.before_commit", "append.after_commit"])
def test_an_answer_that_is_lost_is_asked_for_again_and_each_is_stored_once(till, monkeypatch, point):
    numbers = list(range(60))
    cut_at(monkeypatch, point)
    assert till(body(numbers)).status_code == 500  # stands for: no answer came back
    stored = Message.objects.count()
    assert stored == (60 if point == "append.after_commit" else 0)
    again = till(body(numbers))
    assert again.status_code == 202
    assert again.json()["accepted" if not stored else "duplicate"] == 60
    correlations = [receipt["correlation"] for receipt in again.json()["receipts"]]
    assert all(correlations)
    assert [receipt["correlation"] for receipt in till(body(numbers)).json()["receipts"]] == correlations
    assert sorted(Message.objects.values_list("key", flat=True)) == sorted(f"s{n}" for n in numbers)


def test_retries_in_other_parts_and_another_order_store_each_once(till, monkeypatch):
    chance = random.Random(11)
    numbers = list(range(120))
    waiting, rounds = set(numbers), 0
    while waiting:
        rounds += 1
        points = ("append.before_write", "append.before_commit", "append.after_commit", "none")
        cut_at(monkeypatch, chance.choice(points) if rounds < 30 else "none")
        part = chance.sample(numbers, chance.randint(1, 50)) if rounds < 40 else sorted(waiting)
        answer = till(body(part))
        if answer.status_code == 202:
            waiting -= {int(receipt["key"][1:]) for receipt in answer.json()["receipts"]}
    assert sorted(Message.objects.values_list("key", flat=True)) == sorted(f"s{n}" for n in numbers)


def test_the_same_batch_with_one_changed_item_is_a_conflict_for_that_item_alone(till):
    numbers = list(range(20))
    assert till(body(numbers)).status_code == 202
    items = json.loads(body(numbers))["items"]
    items[7]["total"] = 99
    answer = till(json.dumps({"items": items}).encode())
    assert (answer.status_code, answer.json()["duplicate"], answer.json()["conflict"]) == (409, 19, 1)
    assert [(one["pointer"], one["key"]) for one in answer.json()["findings"]] == [("/items/7", "s7")]
    assert Message.objects.count() == 20


def test_a_batch_of_conflicts_is_compared_while_nobody_waits_for_its_locks(till, monkeypatch):
    """Five thousand were compared inside the transaction, which ended before they were: 503, at every retry."""
    under_locks: list[str] = []
    compared: list[str] = []
    real = {name: getattr(same_value, name) for name in ("same", "canonical")}
    lane = append.Plan.lane

    def locked(*given: Any) -> None:
        under_locks.append("lane")
        try:
            lane(*given)
        finally:
            under_locks.pop()

    def watched(name: str) -> Any:
        def call(*given: Any) -> Any:
            compared.append("under locks" if under_locks else "free")
            return real[name](*given)

        return call

    monkeypatch.setattr("runtime.ledger.known_content.AT_ONCE", 10)
    monkeypatch.setattr(append.Plan, "lane", locked)
    for name in real:
        monkeypatch.setattr(same_value, name, watched(name))
    assert till(body(list(range(60)))).status_code == 202
    changed = [{"id": f"s{number}", "total": number + 1} for number in range(50)]
    same = [{"total": number, "id": f"s{number}"} for number in range(50, 60)]  # other bytes, the same value
    for _ in range(2):
        answer = till(json.dumps({"items": changed + same}).encode())
        assert (answer.status_code, answer.json()["conflict"], answer.json()["duplicate"]) == (409, 50, 10)
    respelt = [{"total": item["total"], "id": item["id"]} for item in changed]
    assert till(json.dumps({"items": respelt}).encode()).json()["conflict"] == 50
    assert set(compared) == {"free"}
    assert (ConflictCase.objects.count(), Message.objects.count()) == (50, 60)


def test_a_database_that_does_not_answer_is_503_with_the_time_to_wait(till, monkeypatch):
    def gone(*args: Any) -> None:
        raise Unavailable("intake.database", "The message could not be stored now; send it again.")

    monkeypatch.setattr(intake, "_store", gone)
    answer = till(body([1]))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.headers["Content-Type"] == "application/problem+json"
    monkeypatch.undo()
    assert till(body([1])).status_code == 202


def test_a_value_that_only_the_database_refuses_is_one_refused_item(till, monkeypatch):
    import psycopg

    real = intake.append

    def picky(conn: Any, stream: Any, items: Any, **more: Any) -> Any:
        if any(item.key == "s7" for item in items):
            raise psycopg.DataError("value out of range: odd")
        return real(conn, stream, items, **more)

    monkeypatch.setattr(intake, "append", picky)
    for expected in ("accepted", "duplicate"):
        answer = till(body(list(range(20))))
        assert answer.status_code == 422
        assert answer.json()[expected] == 19
        assert [(one["pointer"], one["key"]) for one in answer.json()["findings"]] == [("/items/7", "s7")]
        assert [receipt["index"] for receipt in answer.json()["receipts"]] == list(range(20))
    assert RejectedMessage.objects.get().seen == 2


# -- nasty JSON --------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=()), max_size=6)
NUMBER = st.one_of(
    st.integers(-(10**70), 10**70).map(str),
    st.sampled_from(["1e999999999", "-0.0", "1E+308", "1e-400", "NaN", "-Infinity", "0." + "3" * 66, "12.50"]),
)
ESCAPES = st.sampled_from(
    [rb'"\ud800"', rb'"\u0000"', rb'"\\u0000"', rb'"\ud83d\ude00"', b'"\xff"', b'"\x00"', b'"\t"', '"\u2028ä"'.encode()]
)
LEAF = st.one_of(
    TEXT.map(lambda text: json.dumps(text).encode()),
    NUMBER.map(str.encode),
    ESCAPES,
    st.sampled_from([b"true", b"null", b'""']),
)
VALUE: Any = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: b"[" + b", ".join(parts) + b"]"),
        st.lists(st.tuples(TEXT, inner), max_size=3).map(
            lambda pairs: b"{" + b",".join(json.dumps(name).encode() + b":" + value for name, value in pairs) + b"}"
        ),
        inner.map(lambda value: b"[" * 70 + value + b"]" * 70),
    ),
    max_leaves=5,
)


@given(st.lists(VALUE, max_size=3), st.lists(VALUE, max_size=3))
@settings(max_examples=40, deadline=None)
def test_every_body_is_taken_apart_into_the_items_that_it_holds(before, after):
    items = [*before, b'{"id": "good"}', *after]
    read = batches.read(b'{"items": [' + b" , ".join(items) + b'], "source": "tills"}')
    assert read is not None
    assert [item.payload for item in read["items"]] == items
    assert read["items"][len(before)] == batches.IntakeItem(b'{"id": "good"}', {"id": "good"})
    assert read["source"] == "tills"


@given(items=st.lists(VALUE, max_size=4))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_item_ends_in_an_error_of_the_server_and_the_same_bytes_get_the_same_answer(till, items):
    wrapped = [b'{"id": "n%d", "v": %s}' % (number, value) for number, value in enumerate(items)]
    sent = b'{"items": [' + b",".join([*wrapped, *items, b'{"id": "good"}']) + b"]}"
    first, second, third = till(sent), till(sent), till(sent)
    assert {first.status_code, second.status_code} <= {202, 409, 422}, first.content[:300]
    assert second.json()["receipts"] == third.json()["receipts"]
    assert first.json()["receipts"][-1]["status"] in ("accepted", "duplicate")


def test_sessions_that_the_database_has_ended_are_replaced_and_no_call_ends_in_a_500(till):
    assert till(body([1])).status_code == 202
    with connected(name="tillgate-end") as other:
        _end_sessions(other)
    first, second = till(body([1, 2])), till(body([1, 2]))
    assert first.status_code in (202, 503), first.content
    assert second.status_code == 202
    assert sorted(Message.objects.values_list("key", flat=True)) == ["s1", "s2"]


def test_a_database_that_only_reads_is_503_and_is_used_again_once_it_writes(till):
    with connected(name="tillgate-end") as other:
        other.execute("set default_transaction_read_only = off")
        name = other.info.dbname
        try:
            other.execute(f'alter database "{name}" set default_transaction_read_only = on')
            _end_sessions(other)
            answers = {till(body([1])).status_code for _ in range(3)}
        finally:
            other.execute(f'alter database "{name}" reset default_transaction_read_only')
    assert answers == {503}
    assert till(body([1])).status_code in (202, 503)  # Django's session may still be the one that only reads
    with connected(name="tillgate-end") as other:
        _end_sessions(other)
    assert till(body([1])).status_code in (202, 503)
    assert till(body([1])).status_code == 202


def _end_sessions(conn: Any) -> None:
    conn.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )


def test_a_call_whose_session_has_ended_is_stored_by_another_one(till):
    """After a restart of the server every session that was open is dead, and no till has to know."""
    assert till(body([1])).status_code == 202
    with connected() as conn:
        conn.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'tillgate-intake'"
        )
    answer = till(body([2, 3]))
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
