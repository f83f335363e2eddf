"""How much cardholder data was kept out is counted, whichever way it came, and the sender or the run is told."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kernel import measures
from runtime.connectors.registry import open_source
from runtime.models import Message
from tests.runtime.connectors.conformance import call, read_all
from tests.runtime.connectors.receipts import goods, poslog, receipt, tender, total

CARD = "4111111111111111"
COUNTED = "tillgate_card_data_total"


def counted(way: str) -> dict[str, float]:
    found = measures.snapshot().get(COUNTED, {})
    return {kind: found.get(json.dumps([way, kind]), 0.0) for kind in ("number", "code")}


def pages_of(folder: Path, protocol: str, content: bytes, **settings: Any) -> Any:
    (folder / "incoming").mkdir()
    (folder / "incoming" / "a.xml").write_bytes(content)
    source = open_source(protocol, {"root": str(folder), "quiet": 0.0, **settings})
    pages = read_all(source, circumstances=call())
    source.close()
    return pages


def test_card_data_of_a_poslog_is_counted_and_the_run_is_told(tmp_path: Path) -> None:
    card = f"<CreditDebit><PrimaryAccountNumber>{CARD}</PrimaryAccountNumber><CVV>737</CVV></CreditDebit>"
    good = receipt(goods(1, "10.00"), tender(2, "10.00", more=card), total("10.00"))
    wrong = receipt(goods(1, "10.00"), tender(2, "10.00", more=card), total("11.00"), number=2)
    before = counted("poslog")
    pages = pages_of(tmp_path, "poslog", poslog(good, wrong), page_size=1)
    assert sum(len(page.records) for page in pages) == sum(len(page.rejected) for page in pages) == 1
    told = [said for page in pages for said in page.warnings if "1 card number masked, 1 code dropped" in said]
    assert len(told) == 2
    assert counted("poslog") == {kind: count + 2 for kind, count in before.items()}


def test_card_data_of_dropped_files_is_counted(tmp_path: Path) -> None:
    before = counted("files")
    content = f'{{"id": 1, "pan": "{CARD}", "cvv": "737"}}\n'.encode()
    pages_of(tmp_path, "file_drop", content, format="jsonl", key_fields=["id"], patterns=["*.xml"])
    assert counted("files") == {kind: count + 1 for kind, count in before.items()}


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "utf-16"])
def test_a_whole_file_keeps_no_card_number(tmp_path: Path, charset: str) -> None:
    content = f"Grüße\nPAN: {CARD}\nCVV: 737\n".encode(charset)
    pages = pages_of(tmp_path, "file_drop", content, format="whole", patterns=["*.xml"])
    document = msgspec.json.decode(pages[0].records[0].payload)
    kept = base64.b64decode(document["content"]).decode(charset)
    assert kept == "Grüße\nPAN: 411111******1111\nCVV: ***\n"
    assert any("card number" in said for page in pages for said in page.warnings)


def test_a_whole_file_without_card_data_is_kept_to_its_last_byte(tmp_path: Path) -> None:
    content = bytes(range(256)) * 40 + f"{CARD}".encode("utf-16-le")[:5]
    pages = pages_of(tmp_path, "file_drop", content, format="whole", patterns=["*.xml"])
    assert base64.b64decode(msgspec.json.decode(pages[0].records[0].payload)["content"]) == content


@pytest.mark.django_db(transaction=True)
def test_card_data_that_is_handed_in_is_counted(till: Any) -> None:
    before = counted("intake"), counted("poslog")
    answer = till({"items": [{"id": "a", "pan": CARD, "cvv": "737"}]})
    assert answer.status_code == 202
    assert counted("intake") == {kind: count + 1 for kind, count in before[0].items()}
    assert CARD not in repr(Message.objects.get().payload)
    assert counted("poslog") == before[1]
