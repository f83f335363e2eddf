"""Files of fixed width, and lines of several types that become one record: header, detail, trailer."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import Invalid
from runtime.connectors.file_drop import line_records
from runtime.connectors.registry import open_source
from runtime.profiles import profile
from tests.runtime.connectors.dropped import read_file, read_files

STOCK: dict[str, Any] = {
    "fields": [
        {"name": "store", "width": 4},
        {"width": 1},
        {"name": "sku", "width": 8},
        {"name": "amount", "width": 9, "decimals": 2},
    ]
}

TILL: dict[str, Any] = dict(profile("till-log-example").settings["lines"])
SALES = """FHEAD00000720260302
THEAD003000231
TITEMPA1      000000125000
IDISC000000005000
TITEMNB2      000000030000
TTENDCASH
TTAIL0004
THEAD003000232
TTAIL0000
FTAIL000008000000155000
"""
KEYS = ["file.store", "file.day", "till", "number"]


def fixed(content: bytes | str, lines: Any = TILL, **settings: Any) -> tuple[list[Any], list[str]]:
    return read_file(content, "a.dat", format="fixed", lines=lines, **settings)


def test_lines_of_fixed_width_are_records() -> None:
    found, said = fixed("0007 A1      000000125\n0008 B22     -00000005\n", STOCK, key_fields=["store", "sku"])
    assert said == []
    assert found == [
        {"store": "0007", "sku": "A1", "amount": "1.25"},
        {"store": "0008", "sku": "B22", "amount": "-0.05"},
    ]


@pytest.mark.parametrize("length", [0, 22])
def test_ebcdic_with_and_without_line_ends(length: int) -> None:
    content = ("\n" if not length else "").join(["0007 Käse    000000125", "0008 B22     00000005-"]).encode("cp037")
    found, said = fixed(content, {**STOCK, "length": length}, dialect={"encoding": "cp037"})
    assert (said, [one["sku"] for one in found]) == ([], ["Käse", "B22"])
    assert found[1]["amount"] == "-0.05"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0007 A1", "it has 7 characters, and its fields end at 22"),
        ("0007 A1      000000125 x", "it has 24 characters, and its fields end at 22"),
        ("0007 A1      00000012x", "amount is '00000012x'"),
        ("0007 A1      +0000012-", "amount is '+0000012-'"),
        ("0007 A1      000000.25", "amount is '000000.25'"),
        ("0007 \x00       000000025", "NUL"),
    ],
)
def test_a_line_that_does_not_fit_costs_itself(line: str, reason: str) -> None:
    found, said = fixed(f"{line}\n0008 B22     000000005   \n", STOCK)
    assert len(found) == 1
    assert [reason in one for one in said] == [True]


def test_blanks_at_the_end_may_be_left_out_where_that_is_said_and_no_digit_is_missing() -> None:
    short = {
        "short": True,
        "fields": [{"name": "k", "width": 2}, {"name": "n", "width": 4, "decimals": 2}, {"name": "t", "width": 9}],
    }
    found, said = fixed("1 0150ab\n2 0150\n3\n4 01\n", short)
    assert found == [{"k": "1", "n": "1.50", "t": "ab"}, {"k": "2", "n": "1.50"}, {"k": "3"}]
    assert said == ["it ends in the middle of n"]


def test_a_file_that_ends_within_a_block_says_so() -> None:
    assert "has 3 of 22" in fixed("0007 A1      000000125000", {**STOCK, "length": 22})[1][0]


def test_lines_of_a_till_become_one_record_a_transaction() -> None:
    records, rejected, _ = read_files({"a.dat": SALES}, format="fixed", lines=TILL, key_fields=KEYS)
    assert rejected == []
    assert [one.key for one in records] == ["000007/20260302/003/000231", "000007/20260302/003/000232"]
    assert json.loads(records[0].payload) == {
        "file": {"store": "000007", "day": "20260302"},
        "till": "003",
        "number": "000231",
        "items": [
            {"sign": "P", "sku": "A1", "amount": "12.5000", "discounts": [{"amount": "0.5000"}]},
            {"sign": "N", "sku": "B2", "amount": "3.0000", "discounts": []},
        ],
        "tenders": [{"kind": "CASH"}],
        "end": {"lines": "0004"},
    }
    assert json.loads(records[1].payload)["items"] == []


@pytest.mark.parametrize(
    ("old", "new", "read", "reason"),
    [
        ("TTAIL0004", "TTAIL0005", 1, "line 7, TTAIL: the trailer says 0005, and there are 4 lines"),
        ("TTAIL0004", "TTAIL   x", 1, "the trailer says x"),
        ("TTAIL0004\n", "", 1, "its TTAIL is missing"),
        ("TITEMNB2      000000030000", "TITEMNB2      0000000300zz", 1, "line 5, TITEM: amount is"),
        ("TITEMNB2      000000030000", "TITEMNB2", 1, "line 5, TITEM: it has 8 characters"),
        ("TITEMPA1      000000125000\n", "", 1, "line 3, IDISC: IDISC stands without TITEM"),
        ("TTENDCASH", "TXXXXCASH", 1, "line 6: there is no type 'TXXXX'"),
        ("THEAD003000231\n", "", 1, "TITEM stands outside of a record"),
        ("THEAD003000231", "THEAD003", 1, "line 2, THEAD: it has 8 characters"),
        ("FTAIL000008", "FTAIL000009", 2, "the trailer says 000009, and there are 8 lines"),
        (
            "FTAIL000008000000155000",
            "FTAIL000008000000155001",
            2,
            "the trailer's total of amount is 15.5001, and the records add up to 15.5000",
        ),
        ("FTAIL000008000000155000", "FTAIL000008            ", 2, "the trailer's total of amount is missing"),
        ("FTAIL000008000000155000\n", "FTAIL\n", 2, "FTAIL: it has 5 characters"),
        ("FTAIL000008000000155000\n", "", 2, "the trailer 'FTAIL' is missing"),
        ("FTAIL000008000000155000\n", "FTAIL000008000000155000\nTHEAD003000233\n", 2, "stands behind the trailer"),
        ("FHEAD000007", "FHEAD", 0, "line 1, FHEAD: it has 13 characters"),
    ],
)
def test_what_does_not_add_up_is_said_where_it_stands(old: str, new: str, read: int, reason: str) -> None:
    found, said = fixed(SALES.replace(old, new))
    assert (len(found), any(reason in one for one in said)) == (read, True), said


def test_lines_that_are_not_looked_at_count_and_files_that_were_joined_are_read() -> None:
    noted = SALES.replace("TTENDCASH", "TTENDCASH\nCMENTwhatever").replace("TTAIL0004", "TTAIL0005")
    noted = noted.replace("FTAIL000008", "FTAIL000009")
    found, said = fixed(noted + SALES.replace("000007", "000008"))
    assert said == []
    assert [one["file"]["store"] for one in found] == ["000007", "000007", "000008", "000008"]


def test_a_rejected_record_shows_its_lines_as_they_came() -> None:
    _, rejected, _ = read_files({"a.dat": SALES.replace("TTAIL0004", "TTAIL0005")}, format="fixed", lines=TILL)
    assert rejected[0].payload.decode().splitlines() == SALES.replace("0004", "0005").splitlines()[1:7]
    assert rejected[0].origin.endswith(":2")


def test_a_record_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_records, "MOST_LINES", 5)
    content = SALES.replace("TTENDCASH\n", "TTENDCASH\n" * 9)
    assert any("more than 5 lines" in one for one in fixed(content)[1])


# Sales of a stock system, delimited by pipes: the shape is that of a public layout, names and numbers are made up.
PIPES: dict[str, Any] = {
    "place": {"at": 1},
    "types": [
        {"type": "FHEAD", "role": "header", "name": "file", "fields": [{}, {}, {"name": "kind"}, {"name": "store"}]},
        {"type": "THEAD", "fields": [{}, {}, {"name": "transaction"}, {"name": "till"}]},
        {
            "type": "TDETL",
            "role": "part",
            "below": "THEAD",
            "name": "items",
            "fields": [{}, {}, {"name": "item"}, {"name": "quantity"}],
        },
        {
            "type": "TTAIL",
            "role": "part",
            "below": "THEAD",
            "name": "end",
            "closes": True,
            "fields": [{}, {}, {"name": "lines"}],
            "sums": {"count": "lines"},
        },
        {
            "type": "FTAIL",
            "role": "trailer",
            "fields": [{}, {}, {"name": "records"}],
            "sums": {"count": "records", "of": "records"},
        },
    ],
}
PIPED = "FHEAD|1|SIMT|1111\nTHEAD|2|501|3\nTDETL|3|A1|2,5\nTDETL|4|B|1\nTTAIL|5|2\nFTAIL|6|1\n"


def test_delimited_lines_of_several_types() -> None:
    settings = {"format": "typed", "lines": PIPES, "dialect": {"delimiter": "|", "decimal": ","}}
    found, said = read_file(PIPED, "a.dat", **settings)
    assert said == []
    assert found == [
        {
            "file": {"kind": "SIMT", "store": "1111"},
            "transaction": "501",
            "till": "3",
            "items": [{"item": "A1", "quantity": "2,5"}, {"item": "B", "quantity": "1"}],
            "end": {"lines": "2"},
        }
    ]
    for old, new, reason in (
        ("TDETL|4|B|1", "TDETL|4|B", "3 fields instead of 4"),
        ("FTAIL|6|1", "FTAIL|6|2", "there are 1 records"),
    ):
        assert any(reason in one for one in read_file(PIPED.replace(old, new), "a.dat", **settings)[1])


def test_a_total_over_commas_is_read_by_the_dialect() -> None:
    lines = copy.deepcopy(PIPES)
    lines["types"][3]["fields"].append({"name": "sum"})
    lines["types"][3]["sums"] |= {"total": "sum", "sum": "quantity", "in_lines": "TDETL"}
    settings = {"format": "typed", "lines": lines, "dialect": {"delimiter": "|", "decimal": ","}}
    assert read_file(PIPED.replace("TTAIL|5|2", "TTAIL|5|2|3,50"), **settings)[1] == []
    assert "add up to 3.5" in read_file(PIPED.replace("TTAIL|5|2", "TTAIL|5|2|3,51"), **settings)[1][0]
    assert (
        "'2.5' in TDETL"
        in read_file(PIPED.replace("TTAIL|5|2", "TTAIL|5|2|3,50").replace("2,5", "2.5"), **settings)[1][0]
    )


def changed(number: int, **more: Any) -> Any:
    made = copy.deepcopy(TILL)
    made["types"][number] |= more
    return made


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({}, "'fields'"),
        ({**TILL, "fields": STOCK["fields"]}, "'fields'"),
        ({**TILL, "place": None}, "'place'"),
        ({"fields": [{"name": "a"}]}, "needs its 'width'"),
        ({"fields": [{"name": "a.b", "width": 1}]}, "no name of a field"),
        ({"fields": [{"name": "a", "width": 1}] * 2}, "a field stands twice"),
        (changed(2, below="XX"), "TITEM is below XX"),
        (changed(2, below="IDISC"), "which is no record"),
        (changed(2, below=""), "needs 'below'"),
        (changed(1, role="skip"), "is below THEAD, which is no record"),
        (changed(2, name="tenders"), "two members 'tenders'"),
        (changed(0, name="till"), "a header and a member"),
        (changed(7, sums={"count": "x"}), "a field that it does not have"),
        (changed(7, sums={"total": "total"}), "'sum' and 'in_lines'"),
        (changed(7, sums={"total": "total", "sum": "x", "in_lines": "TITEM"}), "a field that TITEM does not have"),
        (changed(5, sums={"count": "lines", "of": "records"}), "says no sums"),
        (changed(6, type="FTAIL"), "a type stands twice"),
    ],
)
def test_layouts_that_cannot_work_are_refused(lines: Any, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        open_source("file_drop", {"root": "/tmp", "format": "fixed", "lines": lines})


ITEM = st.tuples(
    st.sampled_from("PN"),
    st.text("AB1 ä", max_size=8),
    st.integers(0, 10**12 - 1),
    st.lists(st.integers(0, 10**12 - 1), max_size=2),
)
SALE = st.tuples(
    st.text("0123456789", min_size=6, max_size=6),
    st.lists(ITEM, max_size=3),
    st.lists(st.sampled_from(["CASH", "CARD"]), max_size=2),
)


@given(st.lists(SALE, max_size=4), st.sampled_from(["utf-8", "cp037", "utf-16"]))
def test_any_till_log_that_is_written_is_read_back(sales: list[Any], encoding: str) -> None:
    lines, total = ["FHEAD00000720260302"], 0
    for number, items, tenders in sales:
        own = []
        for sign, sku, amount, discounts in items:
            own += [f"TITEM{sign}{sku:<8}{amount:012}", *(f"IDISC{one:012}" for one in discounts)]
            total += amount
        own += [f"TTEND{one}" for one in tenders]
        lines += [f"THEAD003{number}", *own, f"TTAIL{len(own):04}"]
    lines.append(f"FTAIL{len(lines) - 1:06}{total:012}"[:23])
    if total >= 10**12:
        return
    found, said = fixed(
        "".join(f"{one}\n" for one in lines).encode(encoding), dialect={"encoding": encoding, "empty_is_missing": False}
    )
    assert said == []
    assert len(found) == len(sales)
    for record, (number, items, tenders) in zip(found, sales, strict=True):
        assert record["number"] == number
        assert [one["kind"] for one in record["tenders"]] == tenders
        assert [
            (one["sign"], one["sku"], Decimal(one["amount"]), [Decimal(d["amount"]) for d in one["discounts"]])
            for one in record["items"]
        ] == [
            (sign, sku.strip(), Decimal(amount).scaleb(-4), [Decimal(one).scaleb(-4) for one in discounts])
            for sign, sku, amount, discounts in items
        ]


@pytest.mark.parametrize("kind", ["fixed", "json", "x12"])
def test_a_trailer_of_tables_is_no_trailer_of_other_formats(kind: str) -> None:
    settings = {"root": "/tmp", "format": kind, "control": {"marker": "T"}}
    with pytest.raises(Invalid, match="'control' is for tables"):
        open_source("file_drop", settings | ({"lines": TILL} if kind == "fixed" else {}))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_in_a_file_of_records_without_any_stop_it_before_a_shifted_record_is_read(end: str) -> None:
    content = "".join(f"{n:04} A{n}      000000125{end}" for n in range(1, 8))
    records, rejected, aside = read_files({"a.dat": content}, format="fixed", lines={**STOCK, "length": 22})
    assert aside == ["a.dat"]
    assert [json.loads(one.payload)["sku"] for one in records] in ([], ["A1"])
    assert any("record 2 of 22 characters has a line end" in one.reason for one in rejected), rejected
    found, said = fixed(content[:22] + end, {**STOCK, "length": 22})  # one at the end of the file is none
    assert (len(found), said) == (1, [])
