"""A key that is a number is that number, in whichever spelling it comes and by whichever way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.order_server import order
from kernel.errors import Invalid
from runtime.connectors import registry
from runtime.connectors.protocols import CallContext, Secrets
from runtime.connectors.rawjson import KeyReader
from runtime.connectors.rest import connector as rest
from runtime.domain import batches
from runtime.domain.record_keys import number_text
from runtime.models import Message
from runtime.services import intake
from tests.runtime.connectors.server import Server
from tests.runtime.test_services import FEED, catalog, deployed

__all__ = ["catalog"]
CALL = CallContext(Secrets(), 5.0)
SPELLINGS = [
    ("7", ["7", "7.0", "7.00", "7e0", "0.7e1", "70E-1"]),
    ("1.5", ["1.5", "1.50", "15e-1"]),
    ("100", ["100", "1e2", "1E+2", "100.0"]),
    ("0", ["0", "-0", "0.00", "-0.0"]),
    ("9007199254740993", ["9007199254740993", "9007199254740993.0"]),
    ("123456789012345678901234567890", ["123456789012345678901234567890", "12345678901234567890123456789e1"]),
]


def rows(spellings: list[str]) -> list[bytes]:
    return [b'{"id":%s,"part":%s}' % (one.encode(), one.encode()) for one in spellings]


@pytest.mark.parametrize(("key", "spellings"), SPELLINGS)
def test_each_spelling_of_a_number_is_one_key(key: str, spellings: list[str]) -> None:
    for fields, expected in ((["id"], key), (["id", "part"], f"{key}/{key}")):
        reader = KeyReader(fields, None)
        assert {reader.read(row)[0] for row in rows(spellings)} == {expected}
        assert set(reader.read_all(rows(spellings))[0]) == {expected}


def test_texts_stay_as_they_are() -> None:
    reader = KeyReader(["id"], None)
    given = ["7.0", "007", "1e2", " 7"]
    assert reader.read_all([json.dumps({"id": one}).encode() for one in given])[0] == given


def test_a_number_that_no_digits_could_write_out_is_still_one_key() -> None:
    read = KeyReader(["id"], None).read
    assert {read(b'{"id":%s}' % one)[0] for one in (b"1e600", b"10e599")} == {"1E+600"}


def test_a_source_that_writes_its_key_differently_gives_the_same_message() -> None:
    bodies = [b'{"items":[{"id":%s}]}' % one.encode() for one in ("7", "7.0", "7.00")]
    with Server(lambda seen: (200, {}, bodies.pop(0))) as server:
        settings = {"base_url": server.url, "path": "x", "items": "items", "key_fields": ["id"]}
        source = registry.open_source("rest", settings)
        found = [source.read(None, call=CALL).records[0].key for _ in range(3)]
        source.close()
    assert found == ["7", "7", "7"]


def test_a_file_of_lines_has_the_same_keys(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "a.jsonl").write_text('{"id":7}\n{"id":7.0}\n{"id":0.7e1}\n')
    source = registry.open_source(
        "file_drop", {"root": str(tmp_path), "format": "jsonl", "quiet": 0, "key_fields": ["id"]}
    )
    found, cursor, done = [], None, False
    while not done:
        page = source.read(cursor, call=CALL)
        found += [one.key for one in page.records]
        cursor, done = page.cursor, page.done
    assert found == ["7", "7", "7"]


def test_a_version_counts_by_its_value_too() -> None:
    assert KeyReader(["id"], "v").read(b'{"id":1,"v":5.0}')[1] == "5"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("handed", [batches.read, lambda body: json.loads(body)], ids=["wire", "documents"])
def test_intake_takes_a_number_by_its_value(catalog: None, handed: Callable[[bytes], Any]) -> None:
    deployed(event={"name": "count.made", "meaning": "fact", "key": "/total"})
    said = []
    for spelling in ("5", "5.0", "5.00", "50e-1"):
        item = json.dumps({**order(1), "total": "?"}).replace('"?"', spelling)
        made = handed(f'{{"items":[{item}]}}'.encode())
        said.append(intake.accept(FEED, "production", made["items"])[0])
    assert [(one.key, one.status) for one in said] == [("5", "accepted"), *[("5", "duplicate")] * 3]
    assert Message.objects.count() == 1


@pytest.mark.parametrize("given", ["shop-1\n", "shop-1\r\n", "\tshop-1"])
def test_a_correlation_id_with_a_line_break_cannot_be_used(given: str) -> None:
    found, unusable = batches.correlations([given, " shop-2 "])
    assert (found, list(unusable)) == ([None, "shop-2"], [0])


def test_an_answer_that_writes_the_key_as_a_decimal_is_about_that_key() -> None:
    lookup = {"path": "lookup", "found": "found", "key": "id", "reference": "ref"}
    answer = b'{"found":[{"id":7.0,"ref":"D7"}]}'
    with Server(lambda seen: (200, {}, answer)) as server:
        sink = rest.sink({"base_url": server.url, "path": "x", "lookup": lookup, "idempotency": "L"})
        found = sink.ask(["7", "8"], call=CALL)
        sink.close()
    assert found["7"].reference == "D7"
    assert found["8"] is None, "the answer speaks of nothing else"


@pytest.mark.parametrize("number", [7, -12, 10**30])
def test_whole_numbers_have_the_text_they_always_had(number: int) -> None:
    assert number_text(number) == str(number)


def test_a_setting_does_not_end_in_a_line_break() -> None:
    changes = {"param": "since", "field": "at", "full_every": "24h\n"}
    with pytest.raises(Invalid, match="full_every"):
        registry.open_source(
            "rest", {"base_url": "https://x.example", "path": "x", "key_fields": ["id"], "changes": changes}
        )
