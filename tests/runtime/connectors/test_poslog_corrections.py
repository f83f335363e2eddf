"""What a person corrects of a receipt is held to what its till is held to: XML without a document type, and a document
whose sums agree."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.connectors.poslog.connector import transaction_again
from runtime.connectors.poslog.rules import PLAIN, PosLogRules
from runtime.connectors.protocols import Record, RejectedRecord
from tests.runtime.connectors.receipts import ARTS, charge, entry, goods, read, receipt, tender, total

SOLD, PAID = goods(1, "10.00"), tender(9, "10.00")
ENCODER = msgspec.json.Encoder(decimal_format="number")


def again(payload: Any, rules: PosLogRules = PLAIN) -> Record | RejectedRecord:
    return transaction_again(payload if isinstance(payload, bytes) else ENCODER.encode(payload), rules)


def refused(payload: Any, rules: PosLogRules = PLAIN) -> str:
    found = again(payload, rules)
    assert isinstance(found, RejectedRecord), found.payload
    return found.reason


def xml(*parts: str, **more: Any) -> str:
    content = receipt(*(parts or (SOLD, PAID)), total("10.00"), **more)
    return content.replace("<Transaction ", f'<Transaction xmlns="{ARTS}" xmlns:v="urn:v" ', 1)


DOCTYPES = {
    "alone": "<!DOCTYPE a>",
    "with an entity": '<!DOCTYPE a [<!ENTITY e "10.00">]>',
    "with an entity of a file": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    "with an entity of parameters": '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:9/dtd">%p;]>',
    "of elsewhere": '<!DOCTYPE Transaction SYSTEM "http://127.0.0.1:9/a.dtd">',
    "with laughs": '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>',
}


@pytest.mark.parametrize("what", DOCTYPES)
@pytest.mark.parametrize("before", ["", '<?xml version="1.0"?>', "\n<!-- corrected -->"])
def test_corrected_xml_with_a_document_type_is_refused(what: str, before: str) -> None:
    assert isinstance(again(xml().encode()), Record)
    assert "document type" in refused((before + DOCTYPES[what] + xml()).encode())


def test_an_entity_in_corrected_xml_is_refused_wherever_it_stands() -> None:
    content = DOCTYPES["with an entity"] + xml().replace(">10.00<", ">&e;<")
    assert "document type" in refused(content.encode())


def test_the_reported_document_is_refused_with_what_to_send() -> None:
    given = {"id": "7/1/2026-03-02/1", "sale": True, "kind": "retail", "total": 99, "lines": [], "currency": "EUR"}
    reason = refused(given)
    assert "does not add up" in reason
    assert "99" in reason
    assert "XML" in reason


FORMS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "a sale": ((SOLD, PAID, total("10.00")), {}),
    "a return": ((goods(1, "10.00", kind="Return"), tender(9, "-10.00"), total("-10.00")), {}),
    "taxes on top": ((SOLD, entry("<Tax><Amount>1.60</Amount></Tax>", 3), tender(9, "11.60"), total("11.60")), {}),
    "taxes inside": ((SOLD, entry("<Tax><Amount>1.60</Amount></Tax>", 3), PAID, total("10.00")), {}),
    "charges": (
        (SOLD, charge(3, "Discount", "1.00"), charge(4, "Deposit", "0.25"), tender(9, "9.25"), total("9.25")),
        {},
    ),
    "a tip beside": ((SOLD, charge(3, "Tip", "2.00"), tender(9, "12.00"), total("10.00")), {}),
    "a voided line": ((SOLD, goods(2, "5.00", item="B", void="true"), PAID, total("10.00")), {}),
    "discounts that come off": (
        (
            goods(1, "12.00").replace("<Quantity>", "<ExtendedDiscountAmount>2.00</ExtendedDiscountAmount><Quantity>"),
            PAID,
            total("10.00"),
        ),
        {"line_discounts": "off"},
    ),
    "change": (
        (SOLD, tender(9, "20.00", more="<TenderChange><Amount>10.00</Amount></TenderChange>"), total("10.00")),
        {},
    ),
    "a rounded total": (
        (goods(1, "10.02"), PAID, total("10.02"), "<RoundedTotal>10.00</RoundedTotal>"),
        {"cash_step": "0.05"},
    ),
    "another currency": (
        (
            SOLD,
            entry(
                '<Tender TenderType="Cash"><Amount Currency="USD">12.00</Amount><ForeignCurrency><CurrencyCode>USD'
                "</CurrencyCode><ExchangeRate>0.8333</ExchangeRate></ForeignCurrency></Tender>",
                9,
            ),
            total("10.00"),
        ),
        {},
    ),
    "within the tolerance": ((goods(1, "9.99"), PAID, total("10.00")), {"tolerance": "0.01"}),
}


def rules_of(given: dict[str, Any]) -> PosLogRules:
    return msgspec.convert(given, PosLogRules)


@pytest.mark.parametrize("what", FORMS)
def test_the_document_that_was_made_of_a_receipt_is_taken_as_it_is(what: str) -> None:
    parts, rules = FORMS[what]
    made = read(receipt(*parts), **rules)
    found = again(made, rules_of(rules))
    assert isinstance(found, Record), found.reason
    assert found.payload == ENCODER.encode(made)


@pytest.mark.parametrize("what", FORMS)
@pytest.mark.parametrize("change", ["total", "tender", "line"])
def test_a_document_whose_money_was_changed_is_refused(what: str, change: str) -> None:
    parts, rules = FORMS[what]
    made = copy.deepcopy(read(receipt(*parts), **rules))
    if change == "total":
        made["total"] += Decimal("1.11")
    elif change == "tender":
        made["tenders"][0]["amount"] += Decimal("1.11")
    else:
        line = made["lines"][0]
        line["grossAmount" if "grossAmount" in line else "amount"] += Decimal("1.11")
    assert "does not add up" in refused(made, rules_of(rules))


def test_what_is_no_money_of_a_document_may_be_corrected() -> None:
    made = read(receipt(SOLD, PAID, total("10.00")))
    made["operator"], made["lines"][0]["item"], made["note"] = "ann", "A-1", "x"
    assert isinstance(again(made), Record)


def sale() -> Any:
    return copy.deepcopy(read(receipt(SOLD, PAID, total("10.00"))))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tenders": []}, "do not pay"),
        ({"tenders": None}, "do not pay"),
        ({"lines": []}, "do not add up"),
        ({"lines": {}, "tenders": []}, "do not"),
        ({"lines": "all"}, "lines"),
        ({"lines": [7]}, "lines"),
        ({"lines": [{"item": "A", "amount": "10.00"}]}, "lines/0/amount"),
        ({"lines": [{"item": "A", "amount": True}]}, "lines/0/amount"),
        ({"lines": [{"item": "A"}]}, "has no amount"),
        ({"lines": [{"item": "A", "amount": 10, "voided": True}]}, "do not add up"),
        ({"total": None}, "no grand total"),
        ({"total": "10.00"}, "total"),
        ({"total": 1e300}, "total"),
        ({"currency": None}, "currency"),
        ({"currency": "euro"}, "currency"),
        ({"training": True}, "training"),
        ({"kind": "other:x"}, "kind"),
        ({"kind": None}, "kind"),
        ({"charges": [{"kind": "gift", "amount": 1}]}, "charge"),
        ({"charges": [{"kind": "deposit", "amount": 1}]}, "do not add up"),
        ({"control": {"ok": True, "adjustments": 5}}, "adjustments"),
        ({"tenders": [{"amount": 10, "currency": "USD"}]}, "USD"),
        ({"taxes": [{"amount": -500}]}, "tax"),
        ({"postVoid": True}, "takes another transaction back"),
        ({"sale": None, "total": 99}, "99"),
    ],
)
def test_a_document_that_is_none_of_a_receipt_is_refused_in_words(change: dict[str, Any], said: str) -> None:
    given = sale() | change
    assert said in refused({name: value for name, value in given.items() if value is not None})


def test_what_posts_nothing_is_not_asked_for_its_sums() -> None:
    assert isinstance(again(sale() | {"total": 99, "sale": False}), Record)
    assert isinstance(again({"id": "7/1/2026-03-02/2", "kind": "control", "control_kind": "no_sale"}), Record)
    assert "no transaction" in refused({"kind": "control"})
    assert "no transaction" in refused([1])
    assert "no transaction" in refused(b"{")


def test_a_deposit_of_an_order_is_what_was_paid() -> None:
    parts = goods(1, "100.00"), charge(2, "Deposit", "20.00"), tender(3, "20.00"), total("100.00")
    made = read(receipt(*parts).replace("RetailTransaction", "CustomerOrderTransaction"))
    assert isinstance(again(made), Record)
    for name in ("total", "tenders", "charges"):
        wrong = copy.deepcopy(made)
        if name == "total":
            wrong["total"] += 1
        else:
            wrong[name][0]["amount"] += 1
        assert "add up" in refused(wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(max_size=4) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["amount", "kind", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "lines",
                "tenders",
                "charges",
                "taxes",
                "rewards",
                "total",
                "totals",
                "control",
                "kind",
                "sale",
                "currency",
                "roundedTotal",
                "training",
            ]
        ),
        JSON,
        max_size=4,
    )
)
@settings(max_examples=300, deadline=None)
def test_any_document_is_taken_or_refused_and_nothing_else(change: dict[str, Any]) -> None:
    found = again(sale() | change)
    assert isinstance(found, Record | RejectedRecord)


def test_the_reason_of_a_refused_document_holds_no_card_number() -> None:
    for change in ({"kind": "4111111111111111"}, {"lines": [{"item": "A", "amount": "4111111111111111"}]}):
        reason = refused(sale() | change)
        assert "4111111111111111" not in reason
        assert "411111" in reason
