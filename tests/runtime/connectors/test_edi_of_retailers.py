"""The messages of retailers' EDI that are told apart by loops: invoices, stock reports and price lists."""

from __future__ import annotations

import json

import pytest

from tests.runtime.connectors.test_edi_files import edifact, interchange, sets_of, x12
from tests.runtime.connectors.test_public_files import mapped


def counted(*segments: str) -> list[str]:
    """A message of EDIFACT with its end."""
    return [*segments, f"UNT+{len(segments) + 1}+{segments[0].split('+')[1]}"]


def set_of(*segments: str) -> list[str]:
    """A set of X12 with its end."""
    return [*segments, f"SE*{len(segments) + 1}*{segments[0].split('*')[2]}"]


INVOICE = counted(
    *("UNH+1+INVOIC:D:96A:UN:EAN008", "BGM+380+I-17+9", "DTM+137:20260302:102"),
    *("NAD+BY+4000001000005::9", "RFF+VA:DE1", "NAD+SU+4000002000004::9"),
    *("TAX+7+VAT+++:::19", "ALC+A", "PCD+3:2", "MOA+8:1.20"),
    *("LIN+1++4000003000003:SRV", "QTY+47:48", "MOA+203:60.00", "PRI+AAA:1.25", "TAX+7+VAT+++:::7", "MOA+124:4.20"),
    *("LIN+2++4000003000010:SRV", "QTY+47:2", "MOA+203:10.00", "ALC+A", "MOA+8:0.50"),
    *("UNS+S", "CNT+2:2", "MOA+77:74.20", "TAX+7+VAT+++:::7", "MOA+124:4.20"),
)
STOCK = counted(
    *("UNH+2+INVRPT:D:96A:UN:EAN004", "BGM+35+S-3+9", "DTM+366:20260302:102", "NAD+WH+4000001000005::9", "CTA+IC"),
    *("LIN+1++4000003000003:SRV", "QTY+145:12", "LOC+14+A1", "LIN+2++4000003000010:SRV", "QTY+145:-1"),
)
PRICES = counted(
    *("UNH+3+PRICAT:D:96A:UN:EAN008", "BGM+9+P-1+9", "NAD+SU+4000002000004::9", "CUX+2:EUR:8"),
    *("PGI+11+1", "LIN+1+1+4000003000003:SRV", "PRI+AAA:1.25", "TAX+7+VAT+++:::7"),
    *("LIN+2+1+4000003000010:SRV", "PRI+AAA:5", "PGI+11+2", "LIN+3+1+4000003000027:SRV", "PRI+AAA:9", "CNT+2:3"),
)
BARE = counted(
    *("UNH+4+PRICAT:D:96A:UN", "BGM+9+P-2+9", "LIN+1+1+4000003000003:SRV", "PRI+AAA:1.25", "LIN+2+1+4:SRV", "PRI+AAA:5")
)


def test_an_invoice_has_its_taxes_and_allowances_where_they_belong() -> None:
    (made,), said = edifact(interchange(INVOICE))
    assert (said, made["message"]["type"], made["message"]["document"]) == ([], "INVOIC", "I-17")
    assert [one["NAD"]["NAD01"] for one in made["parties"]] == ["BY", "SU"]
    assert made["parties"][0]["RFF"][0]["RFF01_2"] == "DE1"
    assert [one["TAX"]["TAX05_4"] for one in made["taxes"]] == ["19"]
    assert made["allowances"][0]["MOA"][0]["MOA01_2"] == "1.20"
    first, second = made["lines"]
    assert (first["LIN"]["LIN03"], first["MOA"][0]["MOA01_2"], first["QTY"][0]["QTY01_2"]) == (
        *("4000003000003", "60.00", "48"),
    )
    assert [one["MOA"][0]["MOA01_2"] for one in first["taxes"]] == ["4.20"]
    assert (second["taxes"], second["allowances"][0]["MOA"][0]["MOA01_2"]) == ([], "0.50")
    (summary,) = made["summary"]
    assert [one["MOA01_2"] for one in summary["MOA"]] == ["74.20"]
    assert [one["TAX"]["TAX05_4"] for one in summary["taxes"]] == ["7"]


def test_a_stock_report_has_a_line_for_each_article() -> None:
    (made,), said = edifact(interchange(STOCK))
    assert (said, made["message"]["document"], len(made["parties"][0]["CTA"])) == ([], "S-3", 1)
    assert [(one["LIN"]["LIN03"], one["QTY"][0]["QTY01_2"]) for one in made["lines"]] == [
        ("4000003000003", "12"),
        ("4000003000010", "-1"),
    ]
    assert made["lines"][0]["LOC"][0]["LOC02"] == "A1"
    assert "LOC" not in made["lines"][1]


def test_a_price_list_has_its_groups_and_one_without_groups_has_its_lines() -> None:
    (made, bare), said = edifact(interchange(PRICES, BARE))
    assert said == []
    assert [[one["LIN"]["LIN01"] for one in group["lines"]] for group in made["groups"]] == [["1", "2"], ["3"]]
    assert [group["PGI"]["PGI02"] for group in made["groups"]] == ["1", "2"]
    assert made["groups"][0]["lines"][0]["taxes"][0]["TAX"]["TAX05_4"] == "7"
    assert ("lines" in made, bare["groups"]) == (False, [])
    assert [(one["LIN"]["LIN01"], one["PRI"][0]["PRI01_2"]) for one in bare["lines"]] == [("1", "1.25"), ("2", "5")]
    assert len(edifact(interchange(PRICES), split="groups.lines")[0]) == 3
    assert len(edifact(interchange(BARE), split="lines")[0]) == 2


def test_a_despatch_advice_without_packages_has_its_lines() -> None:
    lines = "LIN+1++4000003000003:SRV", "QTY+12:48", "LIN+2++4000003000010:SRV", "QTY+12:2"
    notice = counted("UNH+5+DESADV:D:96A:UN", "BGM+351+L-8+9", *lines, "CNT+2:2")
    (made,), said = edifact(interchange(notice))
    assert (said, made["packages"]) == ([], [])
    assert [(one["LIN"]["LIN01"], one["QTY"][0]["QTY01_2"]) for one in made["lines"]] == [("1", "48"), ("2", "2")]


BILL = set_of(
    *("ST*810*0001", "BIG*20260302*I-17*20260301*PO-9", "N1*ST*Store 7*92*7", "N3*1 Road"),
    *("IT1*1*12*EA*2.5**UP*012345678905", "PID*F****Cheese", "SAC*A*C310***50"),
    *("IT1*2*6*EA*1**UP*012345678912", "TDS*3550", "TXI*ST*2.50", "CTT*2"),
)
LEVELS = set_of(
    *("ST*846*0002", "BIA*00*MB*S-3*20260302", "N1*WH*Depot*92*1"),
    *("LIN*1*UP*012345678905", "QTY*33*12*EA", "LIN*2*UP*012345678912", "QTY*33*0*EA", "N1*ST*Store 7*92*7", "CTT*2"),
)
CATALOG = set_of(
    *("ST*832*0003", "BCT*PC*C-5", "N1*SU*Acme*92*17"),
    *("LIN*1*UP*012345678905", "PID*F****Cheese", "CTP*WS*RTL*2.5", "LIN*2*UP*012345678912", "CTP*WS*RTL*1", "CTT*2"),
)


@pytest.mark.parametrize(
    ("given", "document", "begins", "places"),
    [
        (BILL, "I-17", "IT1", {"PID": [1, 0], "SAC": [1, 0]}),
        (LEVELS, "S-3", "LIN", {"QTY": [1, 1]}),
        (CATALOG, "C-5", "LIN", {"CTP": [1, 1], "PID": [1, 0]}),
    ],
    ids=["810", "846", "832"],
)
def test_a_bill_stock_and_a_price_list_of_x12_have_their_lines(
    given: list[str], document: str, begins: str, places: dict[str, list[int]]
) -> None:
    (made,), said = sets_of(x12(given))
    assert (said, made["message"]["document"], len(made["parties"])) == ([], document, 1)
    assert len(made["lines"]) == 2
    assert all(begins in one for one in made["lines"])
    for tag, counts in places.items():
        assert [len(one.get(tag, [])) for one in made["lines"]] == counts, tag
    assert made["CTT"]["CTT01"] == "2" if "summary" not in made else made["summary"][0]["TDS"]["TDS01"] == "3550"


def test_a_store_of_a_line_is_that_lines_party() -> None:
    (made,), _ = sets_of(x12(LEVELS))
    assert [[one["N1"]["N104"] for one in line["parties"]] for line in made["lines"]] == [[], ["7"]]


def test_a_mapping_makes_stock_of_the_lines() -> None:
    (made,), _ = sets_of(x12(LEVELS))
    found = mapped(
        json.dumps(made).encode(),
        {"to": "report", "from": "message.document", "type": "string", "required": True},
        {
            "to": "lines",
            "from": "lines",
            "required": True,
            "each": [
                {"to": "sku", "from": "LIN.LIN03", "type": "string", "required": True},
                {"to": "on_hand", "from": "QTY[QTY01='33'].QTY02", "type": "integer", "required": True},
            ],
        },
    )
    assert found == {
        "report": "S-3",
        "lines": [{"sku": "012345678905", "on_hand": 12}, {"sku": "012345678912", "on_hand": 0}],
    }
