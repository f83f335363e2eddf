"""JSON files that are no lines: arrays, lists in a document, pretty printing, documents one behind the other."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import Invalid
from runtime.connectors.file_drop import json_documents
from runtime.connectors.registry import open_source
from runtime.profiles import profile
from tests.runtime.connectors.dropped import read_file, read_files

EVENTS = {
    "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
    "type": "EPCISDocument",
    "schemaVersion": "2.0",
    "epcisBody": {
        "eventList": [
            {"type": "ObjectEvent", "eventID": "ni:///sha-256;aa?ver=CBV2.0", "epcList": ["urn:epc:id:sgtin:1.2.3"]},
            {"type": "AggregationEvent", "eventID": "ni:///sha-256;bb?ver=CBV2.0", "childEPCs": []},
        ]
    },
    "sender": "urn:epc:id:sgln:0353579.00001.0",
}


def read_json(content: bytes | str, **settings: Any) -> tuple[list[Any], list[str]]:
    layout = {"json": settings.pop("layout")} if "layout" in settings else {}
    return read_file(content, "a.json", format="json", **layout, **settings)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_events_of_a_document_are_records(indent: int | None, pack: Any, encoding: str) -> None:
    content = pack(json.dumps(EVENTS, indent=indent).encode(encoding))
    settings = profile("epcis-events").connection({})
    records, rejected, _ = read_files({"a.json": content}, **{**settings, "quiet": 0.0})
    assert rejected == []
    assert [one.key for one in records] == ["ni:///sha-256;aa?ver=CBV2.0", "ni:///sha-256;bb?ver=CBV2.0"]
    found = [json.loads(one.payload) for one in records]
    assert [one.pop("sender") for one in found] == [EVENTS["sender"]] * 2  # also where it stands behind the events
    assert found == EVENTS["epcisBody"]["eventList"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('[{"a": 1.10}, {"a": 2}]', [{"a": 1.1}, {"a": 2}]),
        ("[]", []),
        ('{\n  "a": [1, {"b": "]}"}]\n}\n', [{"a": [1, {"b": "]}"}]}]),
        ('{"a": 1}\n{"a": 2}{"a": 3}', [{"a": 1}, {"a": 2}, {"a": 3}]),
        ('[{"a": 1}]\n[{"a": 2}]', [{"a": 1}, {"a": 2}]),
    ],
)
def test_an_array_or_documents_one_behind_the_other(content: str, found: list[Any]) -> None:
    assert read_json(content) == (found, [])


def test_a_record_is_stored_as_it_came() -> None:
    records, _, _ = read_files({"a.json": '[ {"n": 1.10,\n "t": "\\u00e4"} ]'}, format="json")
    assert records[0].payload == b'{"n": 1.10,\n "t": "\\u00e4"}'


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("5", "no object"),
        ("null", "no object"),
        ('"x"', "no object"),
        ('{"a": }', "cannot be read as JSON"),
        ('{"a": 1,}', "cannot be read as JSON"),
        ('{"a": "\\ud800"}', "half a character"),
        ('{"a": "\\u0000"}', "NUL"),
        ("[1]", "no object"),
    ],
)
def test_a_record_that_cannot_be_read_costs_itself(row: str, reason: str) -> None:
    found, said = read_json(f'[{{"a": 1}}, {row}, {{"a": 2}}]')
    assert found == [{"a": 1}, {"a": 2}]
    assert [reason in one for one in said] == [True]


def test_bytes_of_another_charset_cost_their_record() -> None:
    content = '[{"a": "Käse"}, {"a": "Brot"}]'.encode("cp1252")
    assert read_json(content)[0] == [{"a": "Brot"}]
    assert read_json(content, dialect={"encoding": "cp1252"}) == ([{"a": "Käse"}, {"a": "Brot"}], [])
    found, said = read_json('[{"a": "Käse"}, {"a": "Brot"}]'.encode(), dialect={"encoding": "cp1252"})
    assert (found, len(said)) == ([{"a": "Brot"}], 1)


@pytest.mark.parametrize(
    ("content", "read", "reason"),
    [
        ('[{"a": 1}, {"a": 2', 1, "ends in the middle"),
        ('[{"a": 1}', 1, "the end where"),
        ('[{"a": 1} {"a": 2}]', 1, "'{' where ',' or ']'"),
        ('[{"a": 1}, {"a": [}]', 1, "'}' closes what it did not open"),
        ('[{"a": 1}]]', 1, "']' where a value"),
        ('{"a": 1},{"a": 2}', 1, "',' between two documents"),
        ('["x', 0, "ends in the middle"),
        ("", 0, "it is empty"),
        ("<a/>", 0, "'<' where a value"),
        ("a;b\n1;2\n", 1, "';'"),
    ],
)
def test_where_records_cannot_be_told_apart_the_file_goes_to_quarantine(content: str, read: int, reason: str) -> None:
    records, rejected, aside = read_files({"a.json": content}, format="json")
    assert aside == ["a.json"]
    assert reason in rejected[-1].reason
    assert len(records) + len(rejected) - 1 == read


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"x": [{"a": 1}]}', "there is no list at 'd.rows'"),
        ('{"d": {"rows": null}}', "there is no list at 'd.rows'"),
        ('{"d": {"rows": []}, "d": {"rows": []}}', "'d.rows' stands twice"),
        ("[]", "'[' where '{'"),
        ('{"d": {"rows": [], 5: 1}}', "a name in quotation marks"),
    ],
)
def test_a_document_without_its_list_goes_to_quarantine(content: str, reason: str) -> None:
    assert reason in read_json(content, layout={"items": "d.rows"})[1][-1]


def test_a_list_of_one_that_its_writer_made_no_list_is_one_record() -> None:
    assert read_json('{"rows": {"a": 1}}', layout={"items": "rows"}) == ([{"a": 1}], [])
    assert read_json('{"rows": []}{"rows": [{"a": 1}]}', layout={"items": "rows"}) == ([{"a": 1}], [])


def test_values_beside_the_list_go_with_each_record() -> None:
    layout = {"items": "d.rows", "around": {"store": "head.store", "sent": "sent", "gone": "head.gone"}}
    content = '{"d": {"rows": [{"a": 1}, {}, {"store": 2}]}, "head": {"x": {}, "store": "7"}, "sent": 1.50}'
    found, said = read_json(content + '{"d": {"rows": [{"a": 3}]}}', layout=layout)
    assert found == [{"store": "7", "sent": 1.5, "a": 1}, {"store": "7", "sent": 1.5}, {"a": 3}]
    assert "'store' of its own" in said[0]
    assert "two things" in read_json('{"sent": 1, "sent": 2, "d": {"rows": []}}', layout=layout)[1][-1]


def test_a_record_that_is_too_long_is_one_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_documents, "MOST_BYTES", 1000)
    monkeypatch.setattr(json_documents, "CHUNK", 64)
    long = json.dumps({"a": ["x" * 90] * 30})
    found, said = read_json(f'[{{"a": 1}}, {long}, {{"a": 2}}]')
    assert found == [{"a": 1}, {"a": 2}]
    assert said == ["record 2: it has more than 1000 bytes"]
    assert "has no end" in read_json('[{"a": "' + "x" * 9000)[1][-1]


def test_lines_that_are_none_name_the_format_that_reads_them() -> None:
    said = read_file('[\n {"a": 1}\n]\n', format="jsonl")[1]
    assert "'format: json'" in said[0]


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"items": "a..b"}, "this is no path"),
        ({"around": {"x": "a"}}, "needs 'json.items'"),
        ({"items": "a.b", "around": {"x": "a"}}, "beside the list"),
        ({"items": "a.b", "around": {"x": "a.b.c"}}, "beside the list"),
    ],
)
def test_layouts_that_cannot_work_are_refused(layout: Any, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        open_source("file_drop", {"root": "/tmp", "format": "json", "json": layout})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab]}"\\ä', max_size=3), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.lists(st.dictionaries(st.text("xyz[", min_size=1, max_size=3), VALUES, max_size=4), max_size=5)


@given(ROWS, VALUES, st.sampled_from([None, 1]), st.sampled_from(["utf-8", "utf-16"]), st.sampled_from([1, 7, 262144]))
def test_any_record_that_is_written_is_read_back(
    rows: list[Any], beside: Any, indent: int | None, encoding: str, chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_documents, "CHUNK", chunk)
        for content, layout in ((rows, {}), ({"a": beside, "d": {"b": beside, "rows": rows}}, {"items": "d.rows"})):
            text = json.dumps(content, indent=indent, ensure_ascii=False).encode(encoding)
            assert read_json(text, layout=layout) == (rows, [])
