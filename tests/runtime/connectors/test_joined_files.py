"""Files that were joined, and whose parts have a header and a trailer each: a part without its trailer may be cut off,
whatever the trailer of the next one says."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.runtime.connectors.dropped import read_files
from tests.runtime.connectors.test_archives import EDI, ISA
from tests.runtime.connectors.test_line_files import PIPED, PIPES, SALES, TILL
from tests.runtime.connectors.test_workbooks import workbook

TYPED: dict[str, Any] = {"format": "typed", "lines": PIPES, "dialect": {"delimiter": "|", "decimal": ","}}
FIXED: dict[str, Any] = {"format": "fixed", "lines": TILL}
TABLE: dict[str, Any] = {"control": {"marker": "T", "count": 1, "sum": "n", "total": 2}}
ROWS = "k,n\na,1\nb,2\nT,2,3\n"


def joined(content: bytes | str, **settings: Any) -> tuple[int, list[str], list[str]]:
    """Number of records, reasons of rejections, names in quarantine."""
    records, rejected, aside = read_files({"a.dat": content}, **settings)
    return len(records), [one.reason for one in rejected], aside


@pytest.mark.parametrize(
    ("first", "second", "settings", "found", "line"),
    [
        (SALES.partition("FTAIL")[0], SALES, FIXED, 4, "'FTAIL' is missing before the header in line 10"),
        (PIPED.partition("FTAIL")[0], PIPED, TYPED, 2, "'FTAIL' is missing before the header in line 6"),
        ("FHEAD|1|SIMT|1111\n", PIPED, TYPED, 1, "in line 2"),
        (PIPED.partition("\n")[2].partition("FTAIL")[0], PIPED, TYPED, 2, "in line 5"),
        (ROWS.partition("T")[0], ROWS, TABLE, 4, "'T' is missing before the header in record 4"),
        ("k,n\n", ROWS, TABLE, 2, "in record 2"),
    ],
)
def test_a_part_that_lost_its_trailer_sends_the_file_to_quarantine_and_the_next_part_is_read(
    first: str, second: str, settings: dict[str, Any], found: int, line: str
) -> None:
    count, said, aside = joined(first + second, **settings)
    assert (count, aside) == (found, ["a.dat"])
    assert line in said[-1]
    assert "may be cut off" in said[-1]


@pytest.mark.parametrize(("content", "settings"), [(SALES, FIXED), (PIPED, TYPED)])
def test_parts_with_their_trailers_are_whole_files_one_behind_the_other(content: str, settings: dict[str, Any]) -> None:
    alone = joined(content, **settings)[0]
    assert joined(content * 3, **settings) == (3 * alone, [], [])


def test_rows_of_a_table_that_was_joined_are_proven_by_the_trailer_of_their_part() -> None:
    found, said, aside = joined(ROWS + "n,k\n5,c\nT,1,5\n", **TABLE)
    assert (found, aside) == (3, [])
    assert ["the header stands here again" in one for one in said] == [True]
    found, said, _ = joined(ROWS + "n,k\n5,c\nT,2,8\n", **TABLE)
    assert found == 3
    assert said[1:] == [
        "the trailer says 2, and there are 1 records",
        "the trailer's total of n is 8, and the records add up to 5",
    ]
    found, said, aside = joined(ROWS + ROWS.partition("T")[0], **TABLE)
    assert (found, aside) == (4, ["a.dat"])
    assert "the trailer 'T' is missing" in said[-1]


def test_a_sheet_that_was_joined_is_judged_as_a_table_is() -> None:
    rows: list[list[Any]] = [["k", "n"], ["a", 1], ["k", "n"], ["b", 2], ["T", 1, 2]]
    found, said, aside = joined(workbook(*rows), format="xlsx", **TABLE)
    assert (found, aside) == (2, ["a.dat"])
    assert "'T' is missing before the header in record 3" in said[-1]


def test_a_header_within_a_file_may_stand_several_times_before_the_trailer() -> None:
    lines = copy.deepcopy(PIPES)
    lines["types"].append({"type": "BATCH", "role": "header", "name": "batch", "fields": [{}, {"name": "day"}]})
    head, _, rest = PIPED.partition("\n")
    one, _, trailer = rest.partition("FTAIL")
    content = f"{head}\nBATCH|1\n{one}BATCH|2\n{one}FTAIL{trailer.replace('6|1', '6|2')}"
    assert joined(content, **{**TYPED, "lines": lines}) == (2, [], [])


SET = "ST*850*1~BEG*00*SA*{}**20260302~SE*3*1~"
GROUP = "GS*PO*A*B*20260302*1030*{0}*X*004010~" + SET.replace("{}", "P{0}")
MESSAGE = "UNH+{0}+ORDERS:D:96A:UN'BGM+220+B{0}+9'UNT+3+{0}'"


def test_a_group_without_its_end_is_said_where_another_one_begins_and_where_the_interchange_ends() -> None:
    twice = ISA + GROUP.format(1) + GROUP.format(2) + "GE*1*2~IEA*2*000000001~"
    assert joined(twice, format="x12") == (
        2,
        ["GS 1 has no GE before GS, so nothing says how many messages it has"],
        [],
    )
    last = ISA + GROUP.format(1) + "IEA*1*000000001~"
    assert joined(last, format="x12")[1] == ["GS 1 has no GE before IEA, so nothing says how many messages it has"]
    group = "UNG+ORDERS+A+B+260302:1030+G1+UN+D:96A'"
    edifact = f"UNB+UNOC:3+A+B+260302:1030+R'{group}{MESSAGE.format(1)}UNZ+1+R'"
    assert joined(edifact, format="edifact")[1] == [
        "UNG G1 has no UNE before UNZ, so nothing says how many messages it has"
    ]


def test_a_group_that_begins_within_a_message_ends_that_message_and_is_the_group_of_those_behind_it() -> None:
    half = GROUP.format(1).partition("SE*")[0]
    content = ISA + half + GROUP.format(2) + "GE*1*2~IEA*2*000000001~"
    count, said, _ = joined(content, format="x12")
    assert count == 1
    assert said[0] == "it has no SE: another GS begins before its end"


def test_an_interchange_without_its_end_sends_the_file_to_quarantine() -> None:
    count, said, aside = joined(EDI.format("1").partition("UNZ")[0] + EDI.format("2"), format="edifact")
    assert (count, aside) == (1, ["a.dat"])
    assert "UNB stands within an interchange" in said[0]
