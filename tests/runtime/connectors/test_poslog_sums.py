"""A receipt adds up, or it waits for a person with the difference named; voided lines of every dialect count for
nothing."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from lxml import etree

from runtime.connectors.poslog.connector import documents
from runtime.connectors.protocols import RejectedRecord
from runtime.mapping import compile_mapping, decode, parse
from tests.runtime.connectors.receipts import ARTS, charge, goods, held, read, receipt, tender, total

DEMO = Path(__file__).resolve().parents[3] / "deploy" / "demo" / "integrations" / "sales.yaml"
P = f"{{{ARTS}}}"


@cache
def _mapping() -> Any:
    return compile_mapping(parse(yaml.safe_load(DEMO.read_text())["targets"][0]["mapping"]))


def posting(document: Any) -> Any:
    """What the demo's mapping sends to the ERP."""
    return _mapping()(document, "c-1")


def by_article(lines: Any) -> dict[str, tuple[Decimal, Decimal]]:
    """Quantity and amount of each article."""
    sums: dict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (Decimal(0), Decimal(0)))
    for line in lines:
        quantity, amount = sums[line["item"]]
        sums[line["item"]] = quantity + Decimal(line["quantity"]), amount + Decimal(line["amount"])
    return {item: both for item, both in sums.items() if any(both)}


def posted_total(sent: Any) -> Decimal:
    return sum((Decimal(line["amount"]) for line in sent["lines"]), Decimal(0)) + Decimal(sent["adjustments"])


@pytest.mark.shared_data
def test_every_receipt_of_the_sample_day_is_posted_right_by_article_and_amount(shared_data: Path) -> None:
    path = shared_data / "poslog" / "ncr-acs-51-transactions.xml"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    due: dict[str, Any] = {}
    for one in etree.parse(path).getroot():
        key = [one.findtext(P + name) for name in ("RetailStoreID", "WorkstationID", "BusinessDayDate")]
        key.append(str(int(one.findtext(P + "SequenceNumber") or "")))
        rung = [
            {
                "item": sale.findtext(P + "ItemID"),
                "quantity": sale.findtext(P + "Quantity"),
                "amount": sale.findtext(P + "ExtendedAmount"),
            }
            for sale in one.iter(P + "Sale")
        ]  # of this dialect every line counts, a void being a second line with the opposite amount
        if rung:
            due["/".join(str(part) for part in key)] = by_article(rung)
    with path.open("rb") as file:
        found = list(documents(file, path.name))
    assert not [one.reason for one in found if isinstance(one, RejectedRecord)]
    made = {one["id"]: one for one in (decode(record.payload) for record in found) if one["kind"] == "retail"}
    sent = {key: posting(one) for key, one in made.items()}
    assert len(sent) == len(due) == 42
    wrong = {key: by_article(one["lines"]) for key, one in sent.items() if by_article(one["lines"]) != due[key]}
    assert wrong == {}
    for key, one in sent.items():
        stated = next(t["amount"] for t in made[key]["totals"] if t["type"] == "TransactionGrandAmount")
        assert posted_total(one) == Decimal(one["total"]) == stated, key


KEPT = goods(1, "10.00", item="B")
VOIDS = {
    "a second line with the opposite amount": (goods(2, "4.00"), goods(3, "-4.00", quantity="-1", void="true")),
    "a second line that links to the first": (goods(2, "4.00"), goods(3, "4.00", void="true", link=2)),
    "a second line without a link and with the same amount": (goods(2, "4.00"), goods(3, "4.00", void="true")),
    "a flag on the line itself": (goods(2, "4.00", void="true"),),
    "a flag written as XML lets it": (goods(2, "4.00", void=" 1 "),),
    "a line twice, one of them voided by a flag": (goods(2, "4.00"), goods(3, "4.00", void="true"), "+4"),
    "a return and its void": (goods(2, "-4.00", kind="Return"), goods(3, "4.00", kind="Return", void="true")),
}


@pytest.mark.parametrize("dialect", VOIDS)
def test_a_voided_line_counts_for_nothing(dialect: str) -> None:
    lines = [part for part in VOIDS[dialect] if part != "+4"]
    sold = "14.00" if "+4" in VOIDS[dialect] else "10.00"
    made = read(receipt(KEPT, *lines, tender(9, sold), total(sold)))
    assert sum(line["amount"] for line in made["lines"]) == Decimal(sold)
    assert made["control"]["ok"]
    assert not any(line["voided"] for line in made["lines"])
    assert len(made["lines"]) + len(made["voidedLines"]) == len(lines) + 1
    sent = posting(made)
    assert posted_total(sent) == Decimal(sold)


@pytest.mark.parametrize("declared", ["opposite", "link", "flag"])
def test_a_dialect_that_is_declared_is_the_only_one_that_counts(declared: str) -> None:
    forms = {
        "opposite": VOIDS["a second line with the opposite amount"],
        "link": VOIDS["a second line that links to the first"],
        "flag": VOIDS["a flag on the line itself"],
    }
    for form, lines in forms.items():
        content = receipt(KEPT, *lines, tender(9, "10.00"), total("10.00"))
        if form == declared:
            assert read(content, voids=declared)["control"]["ok"]
        else:
            assert "void" in held(content, voids=declared) or "10.00" in held(content, voids=declared)


def test_a_voided_tender_pays_nothing_in_any_dialect() -> None:
    for voided in ((tender(7, "10.00"), tender(8, "-10.00", void="true")), (tender(7, "10.00", void="true"),)):
        made = read(receipt(KEPT, *voided, tender(9, "10.00", kind="CreditDebit"), total("10.00")))
        assert made["control"]["ok"]
        assert [one["type"] for one in made["tenders"]] == ["CreditDebit"]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((KEPT, tender(2, "11.00"), total("11.00")), "1.00"),
        ((KEPT, tender(2, "9.00"), total("10.00")), "1.00"),
        ((KEPT, goods(2, "-4.00", item="C", void="true"), tender(3, "10.00"), total("10.01")), "0.01"),
        ((KEPT, charge(2, "Tip", "2.00"), tender(3, "10.00"), total("10.00")), "2.00"),
        ((KEPT, total("10.00", "Other")), "no grand total"),
        ((goods(1, "4.00"), goods(2, "6.00", void="true", link=1), tender(3, "3.00"), total("3.00")), "1.00"),
    ],
)
def test_a_receipt_that_does_not_add_up_is_held_with_its_difference(parts: tuple[str, ...], said: str) -> None:
    reason = held(receipt(*parts))
    assert "does not add up" in reason
    assert said in reason


def test_what_is_no_sale_is_kept_though_it_does_not_add_up() -> None:
    for on in ('SuspendFlag="true"', 'TrainingModeFlag="true"', 'CancelFlag="true"'):
        made = read(receipt(KEPT, on=on))
        assert made["sale"] is False
        assert made["control"]["ok"] is False


SUMS = {
    "discount of the whole receipt": ((charge(2, "Discount", "1.00"),), "9.00", "-1.00"),
    "discount with its sign": ((charge(2, "Discount", "-1.00"),), "9.00", "-1.00"),
    "tip": ((charge(2, "Tip", "2.00"),), "12.00", "2.00"),
    "deposit": ((charge(2, "Deposit", "0.25"),), "10.25", "0.25"),
    "bottles brought back": ((charge(2, "RedeemDeposit", "0.25"),), "9.75", "-0.25"),
    "gift certificate": ((charge(2, "SaleOfGiftCertificate", "50.00"),), "60.00", "50.00"),
    "payment on account": ((charge(2, "PaymentOnAccount", "5.00"),), "15.00", "5.00"),
    "rounding": ((charge(2, "Rounding", "-0.02"),), "9.98", "-0.02"),
}


@pytest.mark.parametrize("what", SUMS)
def test_what_is_no_article_is_part_of_the_sum(what: str) -> None:
    parts, sold, adjustments = SUMS[what]
    made = read(receipt(KEPT, *parts, tender(9, sold), total(sold)))
    sent = posting(made)
    assert Decimal(sent["adjustments"]) == Decimal(adjustments)
    assert posted_total(sent) == Decimal(sent["total"]) == Decimal(sold)


def test_a_discount_may_only_sum_up_what_the_lines_state() -> None:
    line = KEPT.replace("<Quantity>", "<ExtendedDiscountAmount>1.00</ExtendedDiscountAmount><Quantity>")
    made = read(receipt(line, charge(2, "Discount", "1.00"), tender(9, "10.00"), total("10.00")))
    sent = posting(made)
    assert (Decimal(sent["adjustments"]), posted_total(sent)) == (Decimal(0), Decimal("10.00"))


def test_a_tip_and_a_rounding_may_stand_beside_the_total() -> None:
    for part, paid in ((charge(2, "Tip", "2.00"), "12.00"), (charge(2, "Rounding", "-0.02"), "9.98")):
        made = read(receipt(KEPT, part, tender(9, paid), total("10.00")))
        assert posted_total(posting(made)) == Decimal("10.00")


def test_cash_is_rounded_by_the_step_that_is_declared() -> None:
    content = receipt(goods(1, "10.02", item="B"), tender(9, "10.00"), total("10.02"))
    assert "0.02" in held(content)
    assert posted_total(posting(read(content, cash_step="0.05"))) == Decimal("10.02")
    rounded = receipt(goods(1, "10.02", item="B"), tender(9, "10.00"), total("10.00"))
    assert posted_total(posting(read(rounded, cash_step="0.05"))) == Decimal("10.00")
    by_card = receipt(goods(1, "10.02", item="B"), tender(9, "10.00", kind="CreditDebit"), total("10.02"))
    assert "0.02" in held(by_card, cash_step="0.05")


def test_a_difference_within_the_declared_tolerance_is_posted_as_rounding() -> None:
    content = receipt(goods(1, "9.99", item="B"), tender(9, "10.00"), total("10.00"))
    assert "0.01" in held(content)
    sent = posting(read(content, tolerance="0.01"))
    assert (Decimal(sent["total"]), Decimal(sent["adjustments"])) == (Decimal("10.00"), Decimal("0.01"))
    assert "0.01" in held(content, tolerance="0.005")


def test_taxes_with_more_digits_than_the_total_are_compared_rounded() -> None:
    vat = '<LineItem><Tax TaxType="VAT"><Amount>1.5966</Amount></Tax></LineItem>'
    made = read(receipt(KEPT, vat, tender(9, "10.00"), total("10.00"), total("1.60", "TransactionTaxAmount")))
    assert made["control"]["ok"]
    assert posted_total(posting(made)) == Decimal("10.00")


def discounted(number: int, amount: str, off: str, *, item: str = "A", kind: str = "Sale") -> str:
    stated = f"<ExtendedDiscountAmount>{off}</ExtendedDiscountAmount>"
    return goods(number, amount, item=item, kind=kind).replace(f"</{kind}>", f"{stated}</{kind}>")


TWO_WAYS = {
    "an exchange of a discounted article": (
        (discounted(1, "10.00", "2.00"), discounted(2, "6.00", "2.00", item="B", kind="Return"), tender(9, "4.00")),
        "4.00",
        {"A": "8.00", "B": "-4.00"},
    ),
    "a discount as high as the tax": (
        (
            discounted(1, "10.00", "1.00"),
            '<LineItem><SequenceNumber>3</SequenceNumber><Tax TaxType="VAT"><Amount>1.00</Amount></Tax></LineItem>',
            tender(9, "10.00"),
        ),
        "10.00",
        {"A": "9.00"},
    ),
    "a discount that sums up the lines, or is a further one": (
        (discounted(1, "10.00", "2.00"), charge(2, "Discount", "2.00"), tender(9, "8.00")),
        "8.00",
        {"A": "8.00"},
    ),
}


@pytest.mark.parametrize("what", TWO_WAYS)
def test_discounts_of_lines_that_add_up_in_two_ways_wait_until_the_profile_says_which(what: str) -> None:
    parts, sum_of_all, off = TWO_WAYS[what]
    content = receipt(*parts, total(sum_of_all))
    reason = held(content)
    assert "two ways" in reason
    assert "line_discounts" in reason
    sold: dict[str, Decimal] = defaultdict(Decimal)
    for line in posting(read(content, line_discounts="off"))["lines"]:
        sold[line["item"]] += Decimal(line["amount"])
    assert sold == {item: Decimal(amount) for item, amount in off.items()}
    assert read(content, line_discounts="in")["control"]["ok"]


def test_discounts_of_lines_that_come_to_the_same_by_article_do_not_wait() -> None:
    back = discounted(2, "10.00", "2.00", kind="Return")
    content = receipt(
        discounted(1, "10.00", "2.00"), back, goods(3, "3.00", item="B"), tender(9, "3.00"), total("3.00")
    )
    assert read(content)["control"]["ok"]
