"""Goods beside a receipt are in nobody's books, and a flag that says nothing legible is no permission to book."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.mapping import decode
from tests.runtime.connectors.receipts import entry, goods, held, judged, read, receipt, tender, total

RUNG = (goods(1, "10.00"), tender(9, "10.00"), total("10.00"))
OUTSIDE = {
    "a line": goods(2, "5.00", item="B"),
    "a payment": tender(3, "5.00"),
    "a bare sale": "<Sale><ItemID>B</ItemID><ExtendedAmount>5.00</ExtendedAmount></Sale>",
    "a whole transaction": receipt(goods(2, "5.00", item="B"), tender(3, "5.00"), total("5.00"), number=2),
    "a receipt in a wrapper": f"<v:Wrap><RetailTransaction>{goods(2, '5.00')}</RetailTransaction></v:Wrap>",
}


@pytest.mark.parametrize("what", OUTSIDE)
@pytest.mark.parametrize("where", ["before", "behind"])
def test_what_is_rung_outside_of_the_receipt_holds_the_transaction(what: str, where: str) -> None:
    content = receipt(*RUNG, head=OUTSIDE[what] if where == "before" else "")
    if where == "behind":
        content = content.removesuffix("</Transaction>") + OUTSIDE[what] + "</Transaction>"
    assert "RetailTransaction" in held(content)


def test_a_transaction_within_a_receipt_holds_it() -> None:
    assert "RetailTransaction" in held(receipt(*RUNG, OUTSIDE["a whole transaction"]))


def test_a_link_to_another_transaction_is_none_within() -> None:
    link = "<TransactionLink><SequenceNumber>1</SequenceNumber><Transaction>1</Transaction></TransactionLink>"
    assert read(receipt(*RUNG, link))["sale"] is True


FLAGS = ("TrainingModeFlag", "CancelFlag", "SuspendFlag", "VoidFlag", "OfflineFlag")


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("form", ["<{}/>", "<{}></{}>", '<{} value="perhaps"/>', "<{}><v:x/></{}>"])
def test_a_flag_as_an_element_that_cannot_be_read_holds_the_transaction(name: str, form: str) -> None:
    said = form.replace("{}", name)
    assert name in held(receipt(*RUNG, head=said))
    assert name in held(receipt(*RUNG, said))


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("TrainingModeFlag", "training"),
        ("CancelFlag", "cancelled"),
        ("SuspendFlag", "suspended"),
        ("VoidFlag", "voided"),
    ],
)
@pytest.mark.parametrize("value", ['value="true"', 'Value="1"', 'value="yes"'])
def test_a_flag_whose_value_is_an_attribute_of_its_element_is_read(name: str, flag: str, value: str) -> None:
    for made in (receipt(*RUNG, head=f"<{name} {value}/>"), receipt(*RUNG, f"<{name} {value}/>")):
        assert read(made)[flag] is True
    assert read(receipt(*RUNG, head=f'<{name} value="no"/>'))["sale"] is True


def test_a_line_whose_flag_is_an_element_is_voided() -> None:
    lines = (
        goods(1, "10.00"),
        entry("<VoidFlag>true</VoidFlag><Sale><ItemID>B</ItemID><ExtendedAmount>5.00</ExtendedAmount></Sale>", 2),
    )
    made = read(receipt(*lines, tender(9, "10.00"), total("10.00")))
    assert [line["item"] for line in made["lines"]] == ["A"]
    assert "VoidFlag" in held(receipt(goods(1, "10.00"), entry("<VoidFlag/>", 2), tender(9, "10.00"), total("10.00")))


@pytest.mark.parametrize("given", [{"on": 'TrainingMode="true"'}, {"head": "<v:Suspended>true</v:Suspended>"}])
def test_other_spellings_of_flags_are_read(given: dict[str, str]) -> None:
    assert read(receipt(*RUNG, **given))["sale"] is False


@pytest.mark.parametrize("said", ["<Suspend/>", "<Suspended/>", "<Cancelled/>", "<Voided/>"])
def test_an_empty_element_that_may_be_a_flag_holds_the_transaction(said: str) -> None:
    assert said[1:-2] in held(receipt(*RUNG, head=said))


@pytest.mark.parametrize("word", ["Training", "Suspended", "acs:Cancelled"])
def test_a_type_of_transaction_that_is_no_sale_says_so(word: str) -> None:
    assert read(receipt(*RUNG, inside=f'TypeCode="{word}"'))["sale"] is False


def test_a_status_that_says_nothing_holds_the_transaction() -> None:
    assert "TransactionStatus" in held(receipt(*RUNG, on='TransactionStatus=""'))
    assert "TransactionStatus" in held(receipt(*RUNG, head="<TransactionStatus/>"))
    assert read(receipt(*RUNG, head='<TransactionStatus Status="Suspended"/>'))["suspended"] is True


def test_a_void_of_naxml_is_none_that_is_booked() -> None:
    content = (Path(__file__).parent / "tills" / "naxml.xml").read_text()
    start = content.index("<SaleEvent>") + len("<SaleEvent>")
    for said, wanted in (('<VoidFlag value="yes"/>', True), ('<VoidFlag value="no"/>', False)):
        found = judged((content[:start] + said + content[start:]).encode(), currency="USD")
        assert decode(found.payload)["voided"] is wanted
