"""OData V4 with stamps and keys as services really keep them, by a scripted service that understands what it is asked;
literals; delta links; answers to writes."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest

from kernel.errors import Invalid
from runtime.connectors.odata_literals import iso_instant, iso_milliseconds, literal, predicate
from runtime.connectors.odata_metadata import change_fields, resources
from runtime.connectors.odata_session import error_of
from runtime.connectors.protocols import OutboundMessage, Refused
from runtime.connectors.registry import open_sink, open_source
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.server import Server

_STAMP = r"1970-01-01T00:(\d\d):(\d\d)(?:\.(\d{3}))?Z"


def _ms(found: re.Match[str]) -> int:
    return (int(found[1]) * 60 + int(found[2])) * 1000 + int(found[3] or 0)


class Service:
    """`rows`: key → ten-millionths of a second of its change, None for none. Shows `digits` of the fraction, cut off;
    sorts by what it keeps. `absolute`: its next links are whole addresses of another name."""

    def __init__(self, rows: Any, *, size: int = 50, digits: int = 7, absolute: bool = False) -> None:
        self.rows, self.size, self.digits, self.absolute = dict(rows), size, digits, absolute

    def answer(self, seen: Any) -> Any:
        asked = seen.query.get("$filter", "")
        rows = [(key, at) for key, at in self.rows.items() if self._fits(asked, key, at)]
        by_stamp = seen.query["$orderby"].startswith("changed")
        rows.sort(key=lambda row: ((-1 if row[1] is None else row[1]) if by_stamp else 0, row[0]))
        page = [{"@odata.etag": 'W/"1"', "id": key, "changed": self._shown(at)} for key, at in rows[: self.size]]
        link = f"Rows?{urlencode({**seen.query, '$skiptoken': self.size})}"
        link = f"http://internal.invalid/s/{link}" if self.absolute else link
        more = {"@odata.nextLink": link} if len(rows) > self.size else {}
        return 200, {}, {"@odata.context": "$metadata#Rows", "value": page, **more}

    def _shown(self, at: int | None) -> str | None:
        if at is None:
            return None
        fraction = f"{at % 10_000_000:07}"[: self.digits]
        seconds = at // 10_000_000
        return f"1970-01-01T00:{seconds // 60:02}:{seconds % 60:02}{'.' if fraction else ''}{fraction}Z"

    def _fits(self, asked: str, key: Any, at: int | None) -> bool:
        if "changed eq null" in asked and at is not None:
            return False
        if "changed ne null" in asked and at is None:
            return False
        if (found := re.search("changed ge " + _STAMP, asked)) and (at is None or at < _ms(found) * 10_000):
            return False
        if (found := re.search("changed lt " + _STAMP, asked)) and (at is None or at >= _ms(found) * 10_000):
            return False
        if found := re.search(r"id gt (?:'([\w-]+)'|(\d+))", asked):
            return bool(key > (found[1] if found[1] is not None else int(found[2])))
        return True


def reader(server: Server, **more: Any) -> Any:
    settings = {"base_url": server.url, "service": "s", "entity_set": "Rows", "key_fields": ["id"], "overlap": 0.0}
    return open_source("odata_v4", {**settings, "changed": "changed", **more})


BASE = 600_000_000
CASES: dict[str, dict[Any, int | None]] = {
    "more rows than a page in one stamp": {f"k{n:04}": BASE for n in range(150)},
    "stamps of seven digits": {f"k{(n * 37) % 150:04}": BASE + n for n in range(150)},
    "a page ends inside of a millisecond": {f"k{n:04}": BASE + (n // 3) * 10_000 + n % 3 for n in range(200)},
    "stamps of whole seconds": {f"k{n:04}": (n // 40) * 10_000_000 for n in range(400)},
    "many without a stamp": {f"k{n:04}": None if n < 120 else n * 10_000_000 for n in range(300)},
    "none with a stamp": {f"k{n:04}": None for n in range(120)},
    "numbers as keys, in one stamp": dict.fromkeys(range(1, 150), BASE),
}


@pytest.mark.parametrize("absolute", [False, True], ids=["relative links", "links of another host"])
@pytest.mark.parametrize("digits", [3, 7])
@pytest.mark.parametrize("size", [7, 50])
@pytest.mark.parametrize("case", CASES)
def test_every_row_is_read_whatever_its_stamp_and_key(case: str, size: int, digits: int, absolute: bool) -> None:
    service = Service(CASES[case], size=size, digits=digits, absolute=absolute)
    with Server(service.answer) as server:
        source = reader(server)
        pages = read_all(source, circumstances=call(), limit=2000)
        source.close()
    assert {record.key for page in pages for record in page.records} == {str(key) for key in service.rows}
    assert not any(page.rejected for page in pages)


def test_a_version_has_all_digits_that_the_service_shows() -> None:
    with Server(Service({"a": BASE + 1, "b": BASE + 2}).answer) as server:
        source = reader(server)
        page = source.read(None, call=call())
        source.close()
    assert [one.version for one in page.records] == ["1970-01-01T00:01:00.0000001Z", "1970-01-01T00:01:00.0000002Z"]
    assert page.cursor == {"changed": 60_000}


def test_what_goes_with_each_read() -> None:
    with Server(Service({"a": BASE}).answer) as server:
        source = reader(server, page_size=500, parameters={"cross-company": "true"}, expand=["Lines($select=No)"])
        source.read(None, call=call())
        seen = server.seen[0]
        source.close()
    assert seen.headers["prefer"] == "odata.maxpagesize=500"
    assert seen.headers["odata-version"] == "4.0"
    assert seen.query["cross-company"] == "true"
    assert seen.query["$expand"] == "Lines($select=No)"
    assert "$format" not in seen.query


def test_a_page_of_v2_says_which_protocol_reads_it() -> None:
    with Server(lambda seen: (200, {}, {"d": {"results": []}})) as server:
        source = reader(server)
        with pytest.raises(Refused, match="protocol odata_v2"):
            source.read(None, call=call())
        source.close()


def test_changes_by_a_date_and_by_a_counter() -> None:
    asked: list[str] = []

    def answer(seen: Any) -> Any:
        asked.append(seen.query.get("$filter", ""))
        by_date = {"id": "a", "changed": "2026-03-01"}, {"id": "b", "changed": "2026-03-02"}
        counted = {"id": "a", "changed": 17}, {"id": "b", "changed": 4_711_000_000_000}
        return 200, {}, {"value": list(by_date if "d" in seen.path else counted)}

    with Server(answer) as server:
        source = reader(server, entity_set="d", changed_type="date", overlap=120.0)
        end = source.read(None, call=call()).cursor
        source.read(end, call=call())
        source.close()
        source = reader(server, entity_set="c", changed_type="counter", overlap=10.0)
        page = source.read(None, call=call())
        source.read(page.cursor, call=call())
        assert source.cursor_at(__import__("datetime").datetime.now()) is None
        source.close()
    assert asked == ["", "changed ge 2026-03-01", "", "changed ge 4710999999990"]
    assert [one.version for one in page.records] == ["17", "4711000000000"]


def test_a_counter_and_a_key_are_what_they_say_or_one_reject() -> None:
    rows = [{"id": "x'y", "changed": None}, {"id": 1.5, "changed": None}, {"id": "good", "changed": "soon"}]
    with Server(lambda seen: (200, {}, {"value": rows})) as server:
        source = reader(server)
        page = source.read(None, call=call())
        source.close()
    assert [one.key for one in page.records] == ["x'y"]
    assert ["key_types" in one.reason for one in page.rejected] == [True, False]
    with Server(lambda seen: (200, {}, {"value": [{"id": "no guid", "changed": None}]})) as server:
        source = reader(server, key_types={"id": "Guid"})
        assert "no value of the type Edm.Guid" in source.read(None, call=call()).rejected[0].reason
        source.close()


LITERALS = [
    ("It's", "String", "'It''s'", "'It''s'"),
    ("12", "Int64", "12L", "12"),
    (12, None, "12", "12"),
    ("12.50", "Decimal", "12.50M", "12.50"),
    (True, None, "true", "true"),
    ("0f8fad5b-d9cb-469f-a165-70867728950e", "Guid", "guid'0f8fad5b-d9cb-469f-a165-70867728950e'", None),
    ("2026-03-01T10:00:00Z", "DateTimeOffset", "datetimeoffset'2026-03-01T10:00:00Z'", "2026-03-01T10:00:00Z"),
    ("/Date(1459900800123)/", "DateTime", "datetime'2016-04-06T00:00:00.123'", None),
    ("2026-03-01", "Date", "2026-03-01", "2026-03-01"),
]


@pytest.mark.parametrize(("value", "kind", "old", "new"), LITERALS)
def test_literals_of_both_versions(value: Any, kind: str | None, old: str, new: str | None) -> None:
    assert literal(value, kind, old=True) == old
    if kind == "Guid":
        assert literal(value, kind, old=False) == value
    elif new is not None:
        assert literal(value, kind, old=False) == new


@pytest.mark.parametrize(
    ("value", "kind"),
    [("1 or 1 eq 1", "Int32"), ("x", "Guid"), ("1' or", "DateTimeOffset"), ("NaN", "Decimal"), ("yes", "Boolean")],
)
def test_what_is_no_value_of_a_type_is_never_sent(value: str, kind: str) -> None:
    for old in (True, False):
        with pytest.raises(ValueError, match=r"no value of the type Edm\."):
            literal(value, kind, old=old)


def test_addresses_are_written_by_the_types_of_the_key() -> None:
    types = {"id": "Guid", "no": "Int32"}
    address = {"id": "0f8fad5b-d9cb-469f-a165-70867728950e", "no": 5}
    assert predicate(["id", "no"], address, types, old=False) == "(id=0f8fad5b-d9cb-469f-a165-70867728950e,no=5)"
    assert predicate(["id"], address, types) == "(guid'0f8fad5b-d9cb-469f-a165-70867728950e')"
    assert predicate(["name"], {"name": "a/b"}, {}, old=False) == "('a%2Fb')"


def test_times_go_both_ways() -> None:
    assert iso_milliseconds("2026-03-01T10:00:00.1239999+01:00") == iso_milliseconds("2026-03-01T09:00:00.123Z")
    assert iso_instant(iso_milliseconds("2026-03-01T10:00:00.120Z"), "datetimeoffset") == "2026-03-01T10:00:00.120Z"
    assert iso_instant(iso_milliseconds("0001-01-01T00:00:00Z"), "datetimeoffset") == "0001-01-01T00:00:00Z"
    assert iso_instant(iso_milliseconds("2026-03-01"), "date") == "2026-03-01"


def test_errors_of_v4_say_their_details() -> None:
    body = {"error": {"code": "E1", "message": "No", "details": [{"code": "D", "message": "Why", "target": "Name"}]}}
    assert error_of(json.dumps(body).encode()) == ("E1", "No; Why (Name)")
    body = {"error": {"code": "", "message": "An error has occurred.", "innererror": {"message": "Item 7 is blocked"}}}
    assert error_of(json.dumps(body).encode()) == ("", "An error has occurred.; Item 7 is blocked")


METADATA = b"""<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
 <Schema Namespace="n" xmlns="http://docs.oasis-open.org/odata/ns/edm">
 <EntityType Name="Base" Abstract="true"><Key><PropertyRef Name="id"/></Key>
  <Property Name="id" Type="Edm.Guid"/><Property Name="modifiedAt" Type="Edm.DateTimeOffset"/></EntityType>
 <EntityType Name="Item" BaseType="n.Base"><Property Name="createdAt" Type="Edm.DateTimeOffset"/></EntityType>
 <EntityContainer Name="C"><EntitySet Name="Items" EntityType="n.Item"/>
  <EntitySet Name="Log" EntityType="n.Item"/></EntityContainer>
 <Annotations Target="n.C/Log"><Annotation Term="Org.OData.Capabilities.V1.InsertRestrictions"><Record>
  <PropertyValue Property="Insertable" Bool="false"/></Record></Annotation></Annotations>
 </Schema></edmx:DataServices></edmx:Edmx>"""


def test_metadata_tell_inherited_keys_change_fields_and_what_takes_no_new_row() -> None:
    found = {one.name: one for one in resources(METADATA)}
    assert list(found["Items"].key_fields) == ["id"]
    assert list(found["Items"].fields) == ["id", "modifiedAt", "createdAt"]
    assert found["Items"].change_fields == ["modifiedAt"]
    assert (found["Items"].writable, found["Log"].writable) == (True, False)
    assert change_fields({"systemRowVersion": "Edm.Int64", "LastChanged": "Edm.DateTimeOffset"}) == [
        "LastChanged",
        "systemRowVersion",
    ]


WRONG = [
    ({"operation": "action"}, "'action' names"),
    ({"action": "release"}, "'action' names"),
    ({"key_types": {"other": "Guid"}}, "no key field"),
    ({"batch": "each", "operation": "upsert"}, "takes no upserts"),
    ({"batch": "each", "idempotency": "U"}, "takes no upserts"),
    ({"changed_type": "datetime"}, "changed_type"),
    ({"operation": "update", "match": "item"}, "match_field"),
]


@pytest.mark.parametrize(("more", "said"), WRONG)
def test_settings_that_contradict_one_another_are_refused(more: dict[str, Any], said: str) -> None:
    settings = {"base_url": "https://x", "service": "s", "entity_set": "E", "key_fields": ["K"], **more}
    with pytest.raises(Invalid) as told:
        open_sink("odata_v4", settings)
    assert said in str(told.value) + str(told.value.data)


def written(answer: Any, **more: Any) -> Any:
    settings = {"service": "svc", "entity_set": "E", "key_fields": ["Ref"], "match": "any", **more}
    with Server(lambda seen: answer) as server:
        sink = open_sink("odata_v4", {"base_url": server.url, **settings})
        item = OutboundMessage("k", "tg-1", b'{"Ref": "A-1"}', address={"Ref": "A-1"})
        (result,) = sink.write([item], call=call())
        sink.close()
    return result


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b'{"Label": "x", "Price": 1.10}', b'{"No":7,"Code":"A","Label": "x", "Price": 1.10}'),
        (b'{"Code": "B"}', b'{"No":7,"Code": "B"}'),
        (b"{}", b'{"No":7,"Code":"A"}'),
        (b'{"No": 7, "Code": "A"}', b'{"No": 7, "Code": "A"}'),
    ],
)
def test_what_an_upsert_makes_has_the_key_of_its_address(body: bytes, sent: bytes) -> None:
    def answer(seen: Any) -> Any:
        return (404, {}, {"error": {"code": "", "message": "no"}}) if seen.method == "PATCH" else (204, {}, b"")

    own = {"operation": "upsert", "key_fields": ["No", "Code"], "key_types": {"No": "Int32"}, "match": "none"}
    with Server(answer) as server:
        sink = open_sink("odata_v4", {"base_url": server.url, "service": "svc", "entity_set": "E", **own})
        item = OutboundMessage("k", "k", body, address={"No": "7", "Code": "A"}, own_address=True)
        (result,) = sink.write([item], call=call())
        sink.close()
    assert result.status == "confirmed"
    assert [one.method for one in server.seen] == ["PATCH", "POST"]
    assert server.seen[1].body == sent


TRAPS: dict[str, tuple[dict[str, str], bytes, list[str], int]] = {
    "half a character": ({}, rb'{"id":"a","t":"\ud800"},{"id":"b","t":"x"}', ["b"], 1),
    "a number beyond all numbers": ({}, b'{"id":"a","t":1e400},{"id":"b","t":1}', ["a", "b"], 0),
    "Latin-1 that is declared": (
        {"Content-Type": "application/json; charset=iso-8859-1"},
        b'{"id":"a","t":"K\xe4se"}',
        ["a"],
        0,
    ),
    "Latin-1 that is not": ({}, b'{"id":"a","t":"K\xe4se"},{"id":"b","t":"x"}', ["b"], 1),
    "no change field": ({}, b'{"id":"a"},{"id":"b","changed":null}', ["a", "b"], 0),
    "a key that is missing": ({}, b'{"t":1},{"id":"b"}', ["b"], 1),
    "a row that is none": ({}, b'7,{"id":"b"}', ["b"], 1),
}


@pytest.mark.parametrize("version", ["odata_v2", "odata_v4"])
@pytest.mark.parametrize("trap", TRAPS)
def test_a_row_that_cannot_be_read_is_one_reject_and_hides_no_other(trap: str, version: str) -> None:
    headers, rows, good, bad = TRAPS[trap]
    around = (b'{"d":{"results":[', b"]}}") if version == "odata_v2" else (b'{"value":[', b"]}")
    with Server(lambda seen: (200, headers, around[0] + rows + around[1])) as server:
        settings = {"base_url": server.url, "service": "s", "entity_set": "Rows", "key_fields": ["id"]}
        source = open_source(version, {**settings, "changed": "changed"})
        page = source.read(None, call=call())
        source.close()
    assert [one.key for one in page.records] == good
    assert len(page.rejected) == bad


@pytest.mark.parametrize("version", ["odata_v2", "odata_v4"])
@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf"])
def test_a_byte_order_mark_before_a_page_is_no_fault(version: str, mark: bytes) -> None:
    page = b'{"d":{"results":[{"id":"a"}]}}' if version == "odata_v2" else b'{"value":[{"id":"a"}]}'
    with Server(lambda seen: (200, {}, mark + page)) as server:
        settings = {"base_url": server.url, "service": "s", "entity_set": "Rows", "key_fields": ["id"]}
        source = open_source(version, settings)
        assert [one.key for one in source.read(None, call=call()).records] == ["a"]
        source.close()


@pytest.mark.parametrize("version", ["odata_v2", "odata_v4"])
def test_a_token_that_ended_before_its_time_is_renewed_once(version: str) -> None:
    given, valid = list[str](), ["t1"]

    def answer(seen: Any) -> Any:
        if seen.path == "/token":
            given.append(f"t{len(given)}")
            return 200, {}, {"access_token": given[-1], "expires_in": 3600}
        if seen.headers["authorization"] != f"Bearer {valid[0]}":
            return 401, {}, {"error": {"code": "401", "message": "the token has ended"}}
        row = {"id": "a"}
        rows = {"d": {"results": [row]}} if version == "odata_v2" else {"value": [row]}
        made = {"d": row} if version == "odata_v2" else row
        return (200, {}, rows) if seen.method == "GET" else (201, {}, made)

    with Server(answer) as server:
        auth = {"kind": "oauth2_client_credentials", "token_url": f"{server.url}/token"}
        settings = {"base_url": server.url, "service": "s", "entity_set": "Rows", "key_fields": ["id"], "csrf": False}
        circumstances = call({"client_id": "c", "client_secret": f"s-{version}"})
        source = open_source(version, {**settings, "auth": auth})
        assert [one.key for one in source.read(None, call=circumstances).records] == ["a"]
        source.close()
        assert given == ["t0", "t1"]
        valid[0] = "t2"
        sink = open_sink(version, {**settings, "auth": auth})
        (result,) = sink.write([OutboundMessage("k", "k", b"{}")], call=circumstances)
        sink.close()
    assert result.status == "confirmed"
    assert given == ["t0", "t1", "t2"]


ENTITY = {"@odata.context": "$metadata#E/$entity", "Ref": "A-1", "status": "failed"}


@pytest.mark.parametrize(
    ("answer", "operation", "status"),
    [
        ((201, {}, ENTITY), "create", "confirmed"),
        ((201, {}, {"error": {"code": "1", "message": "No"}}), "create", "unknown"),
        ((201, {}, {"@odata.context": "x"}), "create", "unknown"),
        ((200, {}, {"value": []}), "create", "unknown"),
        ((204, {"OData-EntityId": "E('A-1')"}, b""), "create", "confirmed"),
        ((204, {"Location": "/svc/E('A-1')"}, b""), "create", "confirmed"),
        ((204, {}, b""), "create", "unknown"),
        ((204, {}, b""), "update", "confirmed"),
        ((200, {}, ENTITY), "update", "confirmed"),
        ((200, {}, {**ENTITY, "Ref": "A-2"}), "update", "unknown"),
        ((204, {}, b""), "delete", "confirmed"),
        ((200, {"Content-Type": "text/html"}, b"<html><body>welcome</body></html>"), "delete", "unknown"),
        ((412, {}, {"error": {"code": "412", "message": "changed"}}), "update", "refused"),
    ],
)
def test_what_proves_a_write_of_v4(answer: Any, operation: str, status: str) -> None:
    assert written(answer, operation=operation).status == status


def test_the_reference_of_what_was_created_is_its_name_its_place_or_its_key() -> None:
    assert written((201, {}, {**ENTITY, "Number": 4711}), reference="Number").reference == "4711"
    assert written((201, {}, ENTITY), reference="Number").status == "unknown"
    assert written((201, {"Location": "http://x/E('A-1')"}, ENTITY)).reference == "http://x/E('A-1')"
    assert written((201, {}, ENTITY)).reference == "('A-1')"
