"""A record that is nested without end is one reject, and those around it are read, whatever the format is."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from runtime.connectors import shallow_xml
from runtime.connectors.poslog.connector import documents
from runtime.connectors.protocols import Record
from runtime.connectors.registry import open_source
from runtime.connectors.shallow_xml import DEEP, ShallowXml
from runtime.connectors.shallow_xml import LONG as LONG_MARK
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.dropped import read_files
from tests.runtime.connectors.receipts import goods, poslog, receipt, tender, total
from tests.runtime.connectors.test_archives import ISA, zipped

PACKED = pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda content: zipped({"a.xml": content})])
XML: dict[str, Any] = {"format": "xml", "xml": {"record": "R/E", "around": {"acc": "R/Acc"}}, "key_fields": ["id"]}


def deep(levels: int, name: str = "a", inside: str = "") -> str:
    return f"<{name}>" * levels + inside + f"</{name}>" * levels


def keys(content: bytes, **settings: Any) -> tuple[list[str], list[str], list[str]]:
    records, rejected, aside = read_files({"day.bin": content}, **settings)
    return [one.key for one in records], [one.reason for one in rejected], aside


@PACKED
@pytest.mark.parametrize("levels", [300, 5000])
def test_an_element_that_is_nested_too_deeply_costs_its_record(pack: Callable[[bytes], bytes], levels: int) -> None:
    rows = "".join(f"<E><id>{n}</id>{deep(levels, 'x', 'y') if n == 2 else ''}</E>" for n in range(1, 4))
    found, said, aside = keys(pack(f"<R><Acc>7</Acc>{rows}</R>".encode()), **XML)
    assert (found, aside) == (["1", "3"], [])
    assert said == ["it is nested deeper than 250 levels"]


def test_what_is_nested_too_deeply_outside_of_records_may_hold_some_so_the_file_goes_to_quarantine() -> None:
    content = f"<R><E><id>1</id></E><other>{deep(300)}</other><E><id>2</id></E></R>".encode()
    found, said, aside = keys(content, **XML)
    assert (found, aside) == (["1", "2"], ["day.bin"])
    assert said[0].startswith("line 1 or behind it: outside of its records it is nested deeper")


ELEVEN = 11_000_000
LONG = {
    "text": (f"<n>{'t' * ELEVEN}&amp;</n>", "at line 1 begins more than"),
    "text with entities": (f"<n>{'&amp;' * ELEVEN}</n>", "a text of more than 5000000 characters"),
    "characters of a section": (f"<n><![CDATA[{'<t>' * (ELEVEN // 3)}]]></n>", "at line 1 begins more than"),
}


@pytest.mark.parametrize("what", LONG)
def test_a_text_that_is_longer_than_a_parser_takes_costs_its_record(what: str) -> None:
    content = f"<R><Acc>7</Acc><E><id>1</id></E><E><id>2</id>{LONG[what][0]}</E><E><id>3</id></E></R>".encode()
    found, said, aside = keys(content, **XML)
    assert (found, aside) == (["1", "3"], [])
    assert [LONG[what][1] in one for one in said] == [True]


def test_a_comment_that_is_longer_than_a_parser_takes_costs_nothing() -> None:
    content = f"<R><E><id>1</id><!--{'-c' * (ELEVEN // 2)}--></E><E><id>2</id></E></R>".encode()
    assert keys(content, **XML) == (["1", "2"], [], [])


def sale(number: int, more: str = "") -> str:
    return receipt(goods(1, "10.00"), tender(2, "10.00"), total("10.00"), more, number=number)


@PACKED
def test_a_receipt_that_is_nested_too_deeply_costs_itself(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    content = poslog(sale(1), sale(2, deep(300, "v:a")), sale(3), sale(4, deep(254, "v:a")), sale(5))
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "day.xml").write_bytes(pack(content))
    source = open_source("poslog", {"root": str(tmp_path), "quiet": 0.0, "patience": 0.0, "page_size": 2})
    pages = read_all(source, circumstances=call())
    source.close()
    assert [one.key[-1] for page in pages for one in page.records] == ["1", "3", "5"]
    said = [(one.origin[-1], one.reason) for page in pages for one in page.rejected]
    assert said == [("2", "it is nested deeper than 250 levels"), ("4", "it is nested deeper than 250 levels")]
    assert not list((tmp_path / "quarantine").iterdir())


def test_an_event_of_another_form_is_rejected_where_what_was_too_deep_stands_in_nothing_that_is_read() -> None:
    def event(number: int, more: str = "") -> str:
        return (
            f"<SaleEvent><RegisterID>1</RegisterID><TransactionID>{number}</TransactionID>"
            "<BusinessDate>2026-03-02</BusinessDate><TransactionDetailGroup><TransactionLine status='normal'>"
            "<TenderInfo><Tender><TenderCode>cash</TenderCode></Tender><TenderAmount>0</TenderAmount></TenderInfo>"
            f"</TransactionLine></TransactionDetailGroup><TransactionSummary>{more}<TransactionTotalGrandAmount>0"
            "</TransactionTotalGrandAmount></TransactionSummary></SaleEvent>"
        )

    content = (
        "<NAXML-POSJournal><TransmissionHeader><StoreLocationID>7</StoreLocationID></TransmissionHeader>"
        f"<JournalReport>{event(1)}{event(2, deep(300))}{event(3)}</JournalReport></NAXML-POSJournal>"
    ).encode()
    found = list(documents(io.BytesIO(content), again=lambda: io.BytesIO(content)))
    assert [isinstance(one, Record) or one.reason for one in found][1] == "it is nested deeper than 250 levels"
    alone = list(documents(io.BytesIO(content.replace(deep(300).encode(), b""))))
    assert [type(one) for one in found[::2]] == [type(one) for one in alone[::2]]


@pytest.mark.parametrize("levels", [1500, 100_000])
def test_values_of_json_that_are_nested_too_deeply_cost_their_record(levels: int) -> None:
    inner = '{"a":' * levels + "1" + "}" * levels
    rows = ['{"id": "1"}', f'{{"id": "2", "n": {inner}}}', '{"id": "3"}']
    listed = f'{{"sender": "S", "body": {{"list": [{",".join(rows)}]}}}}'
    settings = {"format": "json", "json": {"items": "body.list", "around": {"sender": "sender"}}}
    for content, how in (
        ("\n".join(rows), {"format": "jsonl"}),
        (listed, settings),
        ("\n".join(rows), {"format": "json"}),
    ):
        found, said, aside = keys(content.encode(), key_fields=["id"], **how)
        assert (found, len(said), aside) == (["1", "3"], 1, [])


def test_levels_of_a_shipment_that_go_down_without_end_cost_their_message() -> None:
    def notice(number: int, levels: int) -> str:
        steps = "".join(f"HL*{n}*{n - 1 or ''}*I~" for n in range(1, levels + 1))
        return f"ST*856*{number}~BSN*00*S{number}*20260302*1030~{steps}SE*{levels + 3}*{number}~"

    sets = notice(1, 4) + notice(2, 3000) + notice(3, 30)
    content = f"{ISA}GS*SH*A*B*20260302*1030*1*X*004010~{sets}GE*3*1~IEA*1*000000001~"
    found, said, aside = keys(content.encode(), format="x12", key_fields=["message.document"])
    assert (found, aside) == (["S1", "S3"], [])
    assert said == ["level 31 is nested deeper than 30 levels, at segment 33"]


# -- what is cut out ---------------------------------------------------------------------------------------------------
TEXT = st.text("ab ä€/='\"]", max_size=5)
LEAF = st.one_of(
    TEXT,
    TEXT.map("<!--<b>{}-->".format),
    TEXT.map("<![CDATA[</a><b>{}]]>".format),
    TEXT.map("<?pi <c>{}?>".format),
    TEXT.map(lambda text: f"<e x=\"{text.replace(chr(34), '')}\" y='</a>/>'/>".replace("</a>", "&lt;")),
)
TREE = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=4).map(lambda parts: f"<a b='>/'>{''.join(parts)}</a >"), max_leaves=30
)


class Pieces:
    def __init__(self, text: str, size: int) -> None:
        self.left, self.size = text, size

    def read(self, size: int = -1) -> bytes:
        piece, self.left = self.left[: self.size], self.left[self.size :]
        return piece.encode()


def cut(text: str, size: int, levels: int) -> tuple[str, int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shallow_xml, "MOST_LEVELS", levels)
        source, found = ShallowXml(Pieces(text, size)), b""
        while piece := source.read():
            found += piece
    return found.decode(), source.cuts


def depth(element: Any) -> int:
    return 1 + max([0, *(depth(one) for one in element if isinstance(one.tag, str))])


@given(TREE, st.sampled_from([1, 2, 7, 100_000]))
def test_a_text_that_is_not_too_deep_stays_as_it_is(tree: str, size: int) -> None:
    assert cut(f"<r>{tree}</r>", size, 100) == (f"<r>{tree}</r>", 0)


@given(TREE, st.sampled_from([1, 2, 7, 100_000]), st.integers(1, 4))
def test_what_is_cut_out_is_what_stands_too_deep_and_nothing_else(tree: str, size: int, levels: int) -> None:
    whole = etree.fromstring(f"<r>{tree}</r>")
    made, cuts = cut(f"<r>{tree}</r>", size, levels)
    found = etree.fromstring(made)
    assert depth(found) <= levels
    assert made.count(DEEP) == cuts

    def pruned(element: Any, level: int) -> None:
        for one in list(element):
            if isinstance(one.tag, str):
                if level == levels:
                    tail = one.tail or ""
                    before = one.getprevious()
                    if before is not None:
                        before.tail = (before.tail or "") + DEEP + tail
                    else:
                        element.text = (element.text or "") + DEEP + tail
                    element.remove(one)
                else:
                    pruned(one, level + 1)

    pruned(whole, 1)
    assert etree.tostring(found, method="c14n") == etree.tostring(whole, method="c14n")


@pytest.mark.parametrize("size", [1, 3, 10, 11, 100_000])
def test_the_end_of_a_long_text_is_cut_off_with_one_mark_wherever_its_pieces_end(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shallow_xml, "_LONGEST_TEXT", 10)
    assert (
        cut("<r>" + "x" * 10 + "<a/>" + "y" * 10 + "</r>", size, 9)[0] == "<r>" + "x" * 10 + "<a/>" + "y" * 10 + "</r>"
    )
    text = "<r>" + "x" * 30 + "<a/>" + "y" * 11 + "</r>"
    assert cut(text, size, 9)[0] == "<r>" + "x" * 10 + LONG_MARK + "<a/>" + "y" * 10 + LONG_MARK + "</r>"


def test_a_tag_without_an_end_ends_the_cutting_and_not_the_reading() -> None:
    text = "<r>" + deep(5) + "<a b='" + "x" * 3_000_000
    made, cuts = cut(text, 100_000, 3)
    assert (cuts, made.endswith("x" * 3_000_000)) == (1, True)
