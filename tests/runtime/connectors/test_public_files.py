"""Files that others have described in public, rebuilt small in our own words and with our own numbers, as a retailer
would tell them to a source, and opened by a mapping. `docs/reference/public-reports.md` names the descriptions."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from runtime.mapping import compile_mapping, decode, parse
from tests.runtime.connectors.dropped import read_file, read_files
from tests.runtime.connectors.test_archives import zipped
from tests.runtime.connectors.test_edi_files import DESADV, NOTICE, ORDERS, interchange, x12
from tests.runtime.connectors.test_xml_files import ENTRIES, STATEMENT


def mapped(payload: bytes, *fields: dict[str, Any]) -> Any:
    run = compile_mapping(parse({"mapping": "test", "version": 1, "fields": list(fields)}))
    return run(decode(payload), "c-1")


def first(content: bytes | str, **settings: Any) -> bytes:
    records, rejected, _ = read_files({"a.dat": content}, **settings)
    assert rejected == []
    return records[0].payload


# -- opened by a mapping -----------------------------------------------------------------------------------------------
def test_a_mapping_opens_an_entry_of_a_bank_statement() -> None:
    payload = first(STATEMENT, format="xml", xml={"record": ENTRIES})
    assert mapped(
        payload,
        {"to": "amount", "from": "Amt.`#text`", "type": "decimal", "scale": 2, "required": True},
        {"to": "currency", "from": "Amt.`@Ccy`", "type": "string", "required": True},
    ) == {"amount": Decimal("12.50"), "currency": "EUR"}


def test_a_mapping_opens_an_order_and_its_lines() -> None:
    payload = first(interchange(ORDERS, charset="UNOW:4"), format="edifact")
    assert mapped(
        payload,
        {"to": "number", "from": "BGM.BGM02", "type": "string", "required": True},
        {"to": "date", "from": "DTM[DTM01='137'].DTM01_2", "type": "date", "format": "compact", "required": True},
        {"to": "buyer", "from": "parties[0].NAD.NAD02", "type": "string", "required": True},
        {
            "to": "lines",
            "from": "lines",
            "required": True,
            "each": [
                {"to": "gtin", "from": "LIN.LIN03", "type": "string", "required": True},
                {"to": "ordered", "from": "QTY[QTY01='21'].QTY01_2", "type": "integer", "required": True},
                {"to": "price", "from": "PRI[PRI01='AAA'].PRI01_2", "type": "decimal", "scale": 2},
            ],
        },
    ) == {
        "number": "B-100",
        "date": "2026-03-02",
        "buyer": "4000001000005",
        "lines": [
            {"gtin": "4000003000003", "ordered": 48, "price": Decimal("1.25")},
            {"gtin": "4000003000010", "ordered": 12},
        ],
    }


def test_a_mapping_opens_the_levels_of_a_ship_notice() -> None:
    payload = first(x12(NOTICE), format="x12")
    assert mapped(
        payload,
        {"to": "shipment", "from": "BSN.BSN02", "type": "string"},
        {
            "to": "items",
            "from": "levels[0].levels[0].levels",
            "required": True,
            "each": [{"to": "upc", "from": "LIN[LIN02='UP'].LIN03", "type": "string", "required": True}],
        },
    ) == {"shipment": "S-77", "items": [{"upc": "012345678905"}, {"upc": "012345678912"}]}


# -- described in public -----------------------------------------------------------------------------------------------
SIMT: dict[str, Any] = {
    "place": {"at": 1},
    "types": [
        {
            "type": "FHEAD",
            "role": "header",
            "name": "file",
            "fields": [{}, {}, {"name": "kind"}, {"name": "store"}, {"name": "day"}, {"name": "created"}],
        },
        {"type": "THEAD", "fields": [{}, {}, {"name": "transaction"}, {"name": "register"}]},
        {"type": "TDETL", "role": "part", "below": "THEAD", "name": "items", "fields": [{}, {}, {"name": "item"}]},
        {"type": "TTAIL", "role": "part", "below": "THEAD", "name": "end", "closes": True, "fields": [{}, {}]},
        {
            "type": "FTAIL",
            "role": "trailer",
            "fields": [{}, {}, {"name": "n"}],
            "sums": {"count": "n", "of": "records"},
        },
    ],
}


def test_sales_of_several_stores_as_piped_files_in_an_archive() -> None:
    day = "FHEAD|1|SIMT|{0}|20260302000000|20260303020000\nTHEAD|2|77|3\nTDETL|3|A1\nTTAIL|4\nFTAIL|5|1\n"
    content = zipped({f"SIMT_20260303020000_{store}.dat": day.format(store) for store in (1111, 1112)})
    settings = {"format": "typed", "lines": SIMT, "dialect": {"delimiter": "|"}, "members": ["SIMT_*.dat"]}
    records, rejected, _ = read_files(
        {"SIMT.zip": content}, key_fields=["file.store", "file.day", "transaction"], **settings
    )
    assert rejected == []
    assert [one.key for one in records] == ["1111/20260302000000/77", "1112/20260302000000/77"]


def test_a_till_log_whose_columns_are_told_by_their_numbers_and_whose_sign_has_a_field() -> None:
    head = [
        {"name": "store", "at": 3, "width": 4},
        {"name": "till", "at": 7, "width": 2},
        {"name": "number", "at": 9, "width": 6},
    ]
    lines: dict[str, Any] = {
        "place": {"at": 1, "width": 2},
        "short": True,
        "types": [
            {"type": "ST", "fields": head},
            {
                "type": "I",
                "role": "part",
                "below": "ST",
                "name": "items",
                "fields": [
                    *head,
                    {"name": "amount", "at": 21, "width": 8, "decimals": 2},
                    {"name": "flag", "at": 29, "width": 1},
                ],
            },
            {
                "type": "M",
                "role": "part",
                "below": "ST",
                "name": "tenders",
                "fields": [*head, {"name": "id", "at": 17, "width": 2}],
            },
        ],
    }
    text = (
        "ST000301000019\r\nI 000301000020      00001199\r\nI 000301000021      00000250-\r\nM 000301000022  01   \r\n"
    )
    found, said = read_file(text, "a.asc", format="fixed", lines=lines)
    assert said == []
    assert [(one["amount"], one.get("flag")) for one in found[0]["items"]] == [("11.99", None), ("2.50", "-")]
    assert found[0]["tenders"][0]["id"] == "01"


BATCH: dict[str, Any] = {
    "place": {"at": 1},
    "types": [
        {"type": "FH", "role": "header", "fields": [{}, {"name": "version"}, {"name": "mode"}]},
        {"type": "BH", "fields": [{}, {"name": "block"}]},
        {"type": "R", "role": "part", "below": "BH", "name": "rows", "fields": [{}, {"name": "reference"}]},
        {
            "type": "BT",
            "role": "part",
            "below": "BH",
            "name": "end",
            "closes": True,
            "fields": [{}, {"name": "n"}],
            "sums": {"count": "n"},
        },
        {"type": "FT", "role": "trailer", "fields": [{}, {"name": "n"}], "sums": {"count": "n", "of": "records"}},
    ],
}


@pytest.mark.parametrize(("rows", "read"), [(2, 1), (1, 0)])
def test_blocks_of_a_payment_file_count_their_rows_and_the_file_its_blocks(rows: int, read: int) -> None:
    text = f"FH,1.0,TEST\nBH,1\nR,a\nR,b\nBT,{rows}\nFT,1\n"
    assert len(read_file(text, format="typed", lines=BATCH)[0]) == read


def test_a_comma_file_without_names() -> None:
    dialect = {"header": False, "columns": ["id", "type", "clearance", "item"]}
    found, said = read_file(
        "1,Create,1041231,100637113\n2,Update,1041232,100637121\n", dialect=dialect, key_fields=["id"]
    )
    assert (said, found[1]["type"]) == ([], "Update")


def test_a_tar_archive_is_said_by_its_name() -> None:
    tar = b"a.csv".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0") + b"id\n1\n".ljust(512, b"\0")
    assert "a tar archive" in read_file(tar)[1][0]


def test_answers_to_a_query_for_events_have_their_list_elsewhere() -> None:
    document = {
        "type": "EPCISQueryDocument",
        "epcisBody": {"queryResults": {"queryName": "Q", "resultsBody": {"eventList": [{"eventID": "a"}]}}},
    }
    layout = {
        "items": "epcisBody.queryResults.resultsBody.eventList",
        "around": {"query": "epcisBody.queryResults.queryName"},
    }
    assert read_file(json.dumps(document), format="json", json=layout) == ([{"query": "Q", "eventID": "a"}], [])


def test_packages_of_a_despatch_advice_are_records_of_their_own() -> None:
    found, said = read_file(
        interchange(DESADV),
        format="edifact",
        edi={"split": "packages"},
        key_fields=["message.document", "packages.CPS.CPS01"],
    )
    assert (said, [one["packages"]["CPS"].get("CPS02") for one in found]) == ([], [None, "1"])


def test_counts_and_totals_of_a_header_are_compared_at_the_end_of_the_file() -> None:
    sums = {"count": "n", "of": "records", "total": "sum", "sum": "amount", "in_lines": "2"}
    header = {
        "type": "1",
        "role": "header",
        "name": "batch",
        "fields": [{}, {"name": "n"}, {"name": "sum"}],
        "sums": sums,
    }
    lines = {"place": {"at": 1}, "types": [header, {"type": "2", "fields": [{}, {"name": "amount"}]}]}
    settings: dict[str, Any] = {"format": "typed", "lines": lines}
    assert read_file("1,2,7.50\n2,5.00\n2,2.50\n1,1,1\n2,1.00\n", **settings)[1] == []
    found, said = read_file("1,3,7.51\n2,5.00\n2,2.50\n1,1,1\n2,1.00\n", **settings)
    assert len(found) == 3
    assert said == [
        "the header says 3, and there are 2 records",
        "the header's total of amount is 7.51, and the records add up to 7.50",
    ]
