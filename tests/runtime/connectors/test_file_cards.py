"""Cardholder data in dropped files: rows and rejected lines have none, and a warning says how many there were."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call, read_all

CARD = "4111111111111111"
BLANK = " " * 10
X12 = (
    f"ISA*00*{BLANK}*00*{BLANK}*ZZ*A{BLANK}    *ZZ*B{BLANK}    *260302*1030*U*00401*000000001*0*P*>~"
    f"GS*IN*A*B*20260302*1030*1*X*004010~ST*810*1~REF*4N*{CARD}~SE*3*1~GE*1*1~IEA*1*000000001~"
)


@pytest.mark.parametrize(
    ("settings", "content"),
    [
        ({"format": "jsonl", "key_fields": ["id"]}, f'{{"id": 1, "pan": "{CARD}", "CVV": "737"}}\n'),
        ({"format": "delimited", "key_fields": ["id"]}, f"id,card_number,cvv\n1,{CARD},737\n"),
        ({"format": "jsonl", "key_fields": ["id"]}, f'{{"id": \n{{"pan": "{CARD}", "cvv": "737"\n'),
        ({"format": "json"}, f'[{{"id": 1, "pan": "{CARD}", "CVV": "737"}}]'),
        ({"format": "xml", "xml": {"record": "a/r"}}, f"<a><r><PAN>{CARD}</PAN><CVV>737</CVV></r></a>"),
        ({"format": "whole", "text": True}, f"Card: {CARD}, cvv: 737, for Käse"),
        (
            {"format": "fixed", "lines": {"fields": [{"name": "pan", "width": 16}, {"name": "cvv", "width": 3}]}},
            f"{CARD}737\n",
        ),
        ({"format": "x12"}, X12),
    ],
)
def test_no_card_number_and_no_code_of_a_file_is_kept(
    tmp_path: Path, settings: dict[str, object], content: str
) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "a.txt").write_text(content)
    source = open_source("file_drop", {"root": str(tmp_path), "quiet": 0.0, **settings})
    pages = read_all(source, circumstances=call())
    source.close()
    kept = b" ".join(one.payload for page in pages for one in (*page.records, *page.rejected))
    assert b"411111******1111" in kept
    assert CARD.encode() not in kept
    assert b"737" not in kept
    assert any("card number" in said for page in pages for said in page.warnings)
