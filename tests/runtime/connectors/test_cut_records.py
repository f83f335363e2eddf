"""A record that is too large is a reject that says where it stands and shows how it begins; two of them are two."""

from __future__ import annotations

import io
from typing import Any

import pytest

from runtime.connectors import xml_sizes
from runtime.connectors.file_drop import csv_rows, dialect, edi_messages, json_documents, json_lines, line_records
from runtime.connectors.poslog.connector import documents
from runtime.connectors.protocols import RejectedRecord
from runtime.services.record_checks import rejections
from tests.runtime.connectors.dropped import read_files
from tests.runtime.connectors.receipts import goods, poslog, receipt, tender, total
from tests.runtime.connectors.test_line_files import PIPES

LONG = "x" * 5_000
XML = {"format": "xml", "xml": {"record": "R/E"}}
TYPED = {"format": "typed", "lines": PIPES, "dialect": {"delimiter": "|"}}
TYPED_HEAD, TYPED_END = "FHEAD|1|S|1\nTHEAD|2|501|3\n", "TTAIL|9|3\nFTAIL|10|1\n"


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a test reaches quickly; what is kept of a record is shorter than they are, as it is."""
    monkeypatch.setattr(xml_sizes, "MOST_TEXT", 2_000)
    for module in (json_documents, json_lines, csv_rows, dialect, line_records, edi_messages, xml_sizes):
        monkeypatch.setattr(module, "SHOWN", 50)
    monkeypatch.setattr(json_documents, "MOST_BYTES", 3_000)
    monkeypatch.setattr(json_documents, "CHUNK", 500)
    monkeypatch.setattr(json_lines, "MAX_LINE", 2_000)
    monkeypatch.setattr(dialect, "MAX_RECORD", 2_000)
    monkeypatch.setattr(line_records, "MOST_LINES", 2)
    monkeypatch.setattr(edi_messages, "MOST_TEXT", 2_000)


def edi(end: str) -> str:
    lines = "".join(f"FTX+AAI+++{'x' * 400}{end}'" for _ in range(9))
    return f"UNB+UNOC:3+A+B+260302:1030+R'UNH+1+ORDERS:D:96A:UN'BGM+220+B1'{lines}UNT+12+1'UNZ+1+R'"


JSON = [f'{{"id": {n}, "n": "{LONG if n == 2 else ""}@@"}}' for n in (1, 2, 3)]
MANY = f"{TYPED_HEAD}TDETL|3|{LONG[:100]}|1\nTDETL|4|@@|1\nTDETL|5|b|1\n{TYPED_END}"
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "xml": (f"<R>\n<E/>\n<E><n>{LONG}@@</n></E>\n<E/></R>", XML, "record 2: at line 3 begins more than"),
    "json": (f"[{','.join(JSON)}]", {"format": "json"}, "record 2: it has more than 3000 bytes"),
    "jsonl": ("\n".join([*JSON, ""]), {"format": "jsonl"}, "record 2: the line has more than 2000 bytes"),
    "delimited": (f"id,n\n1,a\n2,{LONG}@@\n3,c\n", {}, "line 3: the line has more than 2000 characters"),
    "typed": (MANY, TYPED, "record 2: line 5, TDETL: the record has more than 2 lines"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_record_that_is_too_large_has_its_place_and_its_beginning(case: str) -> None:
    text, settings, reason = CASES[case]
    said = [read_files({"a.dat": text.replace("@@", end)}, **settings)[1] for end in ("one", "two", "one")]
    first, second, again = (next(one for one in found if one.cut) for found in said)
    assert first.reason.startswith(reason), first.reason
    assert first.payload == second.payload != b"{}"
    assert 0 < len(first.payload) <= 60
    digests = [one.digest for one in rejections([first, second, again])]
    assert digests[0] == digests[2] != digests[1]


def test_a_message_that_is_too_large_shows_more_than_its_header() -> None:
    rejected = [read_files({"a.edi": edi(end)}, format="edifact")[1] for end in ("one", "two")]
    first, second = (found[0] for found in rejected)
    assert first.reason == "record 1: it has more than 200000 segments or 2000 characters"
    assert first.payload.startswith(b"UNH+1+ORDERS:D:96A:UN\nBGM+220+B1\nFTX+AAI")
    assert len({one.digest for one in rejections([first, second])}) == 2


def test_two_receipts_that_are_too_large_are_two_of_one_file() -> None:
    more = f"<v:note>{LONG}</v:note>"
    rung = (goods(1, "10.00"), tender(2, "10.00"), total("10.00"))
    content = poslog(receipt(*rung), receipt(*rung, more), receipt(*rung, number=2), receipt(*rung, more))
    found = list(documents(io.BytesIO(content), "day.xml"))
    large = [one for one in found if isinstance(one, RejectedRecord)]
    assert [one.reason.partition(":")[0] for one in large] == ["transaction 2", "transaction 4"]
    assert all("at line 1 begins more than" in one.reason and one.payload.startswith(b"<Transaction") for one in large)
    assert large[0].payload == large[1].payload
    assert len({one.digest for one in rejections(large)}) == 2


def test_what_is_whole_is_known_by_its_content_wherever_it_stands() -> None:
    made = [RejectedRecord(origin, "a key field is empty", b'{"n": 1}') for origin in ("a.csv:2", "b.csv:9")]
    assert len({one.digest for one in rejections(made)}) == 1
