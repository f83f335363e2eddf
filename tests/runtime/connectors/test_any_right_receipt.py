"""In each dialect of a till any right receipt is taken with exactly its sums, and none with an amount a cent off."""

from __future__ import annotations

import io
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import profiles
from runtime.connectors.poslog.connector import PosLogSettings, documents
from runtime.connectors.protocols import Record, RejectedRecord
from runtime.connectors.settings import read_settings
from runtime.mapping import decode
from tests.runtime.connectors.test_poslog_sums import posted_total, posting
from tests.runtime.connectors.till_receipts import CENT, TILLS, ZERO, Article, Bought, Till, amounts, written

STEP = Decimal("0.05")  # of what may count in two ways, so that no other way of counting makes up for a cent
PRICES = st.integers(100, 5000).map(lambda cents: cents * CENT)
STEPS = st.integers(1, 200).map(lambda steps: steps * STEP)


@st.composite
def articles(draw: Any, till: Till) -> Article:
    return Article(
        draw(st.sampled_from("ABCD")),
        draw(PRICES),
        draw(st.just(ZERO) | STEPS),
        draw(st.booleans()) and draw(st.booleans()),
        till.voided and draw(st.booleans()) and draw(st.booleans()),
    )


@st.composite
def bought(draw: Any, till: Till) -> Bought:
    things = draw(st.lists(articles(till), min_size=1, max_size=6))
    refund = all(one.back for one in things)  # has no fees, in NAXML, and gives no change
    names = draw(st.lists(st.sampled_from(sorted(till.charges)), max_size=3, unique=True)) if not refund else []
    charges = {name: till.charges[name] * draw(STEPS) for name in names}
    up = sum((one.amount for one in things if not one.voided and not one.back), ZERO)
    on_top = draw(st.booleans()) if till.basis is None else till.basis
    tax = ZERO if refund else draw(st.just(ZERO) | STEPS)
    tax = tax if on_top else min(tax, up // STEP * STEP)
    made = Bought(things, charges, tax, on_top and bool(tax))
    if made.due <= 1:
        return made
    round_by = draw(st.sampled_from([ZERO, *(CENT * cents for cents in (2, 3, -2, -3))])) if till.rounds else ZERO
    if till.profile == "poslog-xstore" and round_by:  # its rounded total is a multiple of a step
        round_by = -(made.due % STEP)
        round_by = ZERO if abs(round_by) < 2 * CENT else round_by
    rest = {"parts": draw(st.integers(1, 3)), "change": draw(st.just(ZERO) | PRICES)}
    return Bought(things, charges, tax, made.on_top, round_by, **rest, abroad=till.abroad and draw(st.booleans()))


def rules_of(till: Till) -> PosLogSettings:
    data = profiles.profile(till.profile).connection({"root": "/nowhere", "currency": "EUR"})
    found: PosLogSettings = read_settings(PosLogSettings, data)
    return found


def judged(till: Till, content: bytes) -> Record | RejectedRecord:
    (found,) = documents(io.BytesIO(content), "f.xml", rules=rules_of(till))
    return found


def booked(document: Any) -> dict[str, Decimal]:
    """By article, as it is posted."""
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for line in posting({"sequence": 0, **document})["lines"]:
        sums[line["item"]] += Decimal(line["amount"])
    return {item: amount for item, amount in sums.items() if amount}


def paid_by(tender: Any) -> Decimal:
    """As the reference says it of the document."""
    amount: Decimal = tender.get("effect", tender["amount"])
    if tender.get("use") == "Refund" or tender.get("given_back"):
        return -abs(amount)
    if "rounding" in tender:
        return -abs(amount) if tender["rounding"] == "up" else abs(amount)
    change = tender.get("change", ZERO)
    return amount if amount < 0 and abs(change) == -amount else amount - abs(change)


@pytest.mark.parametrize("name", TILLS)
def test_any_right_receipt_is_taken_with_exactly_its_sums(name: str) -> None:
    till = TILLS[name]

    @given(bought(till))
    @settings(max_examples=80, deadline=None)
    def take(sale: Bought) -> None:
        found = judged(till, written(till.write(sale)))
        if isinstance(found, RejectedRecord) and "two ways" in found.reason:  # nobody's to guess
            assert rules_of(till).line_discounts == "auto"
            return
        assert isinstance(found, Record), found.reason
        document = decode(found.payload)
        assert document["sale"] is bool(sale.articles)
        inside = sum((one["effect"] for one in document.get("charges", ()) if one["kind"] == "rounding"), ZERO)
        assert document["total"] == sale.due + inside
        assert posted_total(posting({"sequence": 0, **document})) == document["total"]
        assert booked(document) == sale.sold
        tax = sale.tax if sale.on_top else ZERO
        parts = sum((one["effect"] for one in document.get("charges", ())), ZERO)
        rewards = sum((one["amount"] for one in document["rewards"] if one["counts"]), ZERO)
        assert sum(sale.sold.values(), ZERO) + parts + rewards + tax == document["total"]
        handed = sum((paid_by(one) for one in document["tenders"]), ZERO)
        stands_in = sum((one["amount"] for one in document.get("charges", ()) if one.get("beside")), ZERO)
        due = document.get("roundedTotal", document["total"] + stands_in)
        assert handed == due

    take()


@pytest.mark.parametrize("name", TILLS)
def test_a_receipt_with_an_amount_that_is_a_cent_off_is_held(name: str) -> None:
    till = TILLS[name]

    @given(bought(till), st.data())
    @settings(max_examples=120, deadline=None)
    def refuse(sale: Bought, data: Any) -> None:
        content = till.write(sale)
        if not amounts(content):
            return
        place = data.draw(st.integers(0, amounts(content) - 1))
        wrong = written(content, place, data.draw(st.sampled_from([CENT, -CENT])))
        found = judged(till, wrong)
        assert isinstance(found, RejectedRecord), (wrong.decode(), decode(found.payload))
        assert "add up" in found.reason

    refuse()


def test_every_profile_of_a_till_is_attacked() -> None:
    assert len({till.profile for till in TILLS.values()}) == 6
    mine = {name for name in profiles.profiles() if profiles.profile(name).protocol == "poslog"}
    assert mine - {till.profile for till in TILLS.values()} == {"poslog-drop"}


def test_an_exchange_at_even_money_needs_no_payment_and_another_one_waits() -> None:
    """SAP states no total: what was paid is it."""
    till, one = TILLS["SAP POS inbound"], Decimal("1.00")
    even = Bought([Article("A", one, ZERO, False, False), Article("B", one, ZERO, True, False)])
    assert even.payments == []
    found = judged(till, written(till.write(even)))
    assert isinstance(found, Record), found.reason
    assert booked(decode(found.payload)) == {"A": one, "B": -one}
    content = written(till.write(even))
    held = judged(till, content.replace(b"<KONDVALUE>1.00", b"<KONDVALUE>1.50", 1))
    assert isinstance(held, RejectedRecord)
    assert "add up" in held.reason
