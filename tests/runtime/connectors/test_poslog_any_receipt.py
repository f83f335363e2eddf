"""Whatever receipt a till writes, in whichever dialect: it posts exactly its totals, or it is held."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.connectors.protocols import RejectedRecord
from runtime.mapping import decode
from tests.runtime.connectors.receipts import charge, entry, goods, judged, receipt, tender, total
from tests.runtime.connectors.test_poslog_sums import posted_total, posting

CENT = Decimal("0.01")
MONEY = st.integers(1, 5000).map(lambda cents: Decimal(cents) * CENT)
ARTICLES = st.tuples(st.sampled_from("ABC"), MONEY, st.booleans(), st.booleans())  # item, amount, voided, a return
CHARGES = st.dictionaries(st.sampled_from(["Discount", "Tip", "Deposit", "SaleOfGiftCertificate"]), MONEY, max_size=2)
DIALECTS = ("opposite", "link", "flag")


@st.composite
def receipts(draw: Any) -> tuple[str, dict[str, Decimal], Decimal, bool]:
    """The XML, what is sold of each article, the total, and whether a digit of it was changed."""
    dialect, basis = draw(st.sampled_from(DIALECTS)), draw(st.sampled_from(["none", "on top", "included"]))
    parts: list[str] = []
    sold: dict[str, Decimal] = defaultdict(Decimal)
    for item, amount, voided, back in draw(st.lists(ARTICLES, min_size=1, max_size=5)):
        kind, sign = ("Return", -1) if back else ("Sale", 1)
        said, number = str(sign * amount), len(parts) + 1
        if not voided:
            sold[item] += sign * amount
        alone = voided and dialect == "flag"
        parts.append(goods(number, said, item=item, kind=kind, quantity=str(sign), void="true" if alone else ""))
        if voided and dialect == "opposite":
            parts.append(goods(number + 1, str(-sign * amount), item=item, kind=kind, quantity=str(-sign), void="true"))
        if voided and dialect == "link":
            parts.append(goods(number + 1, said, item=item, kind=kind, void="true", link=number))
    due = sum(sold.values(), Decimal(0))
    for name, amount in draw(CHARGES).items():
        parts.append(charge(len(parts) + 1, name, str(amount)))
        due += -amount if name == "Discount" else amount
    if basis != "none":
        tax = draw(MONEY)
        parts.append(entry(f"<Tax><Amount>{tax}</Amount></Tax>", len(parts) + 1))
        due += tax if basis == "on top" else 0
    wrong = draw(st.booleans()) and draw(st.booleans())
    stated = due + draw(MONEY) if wrong else due
    return receipt(*parts, tender(99, str(stated)), total(str(stated))), dict(sold), stated, wrong


@given(receipts())
@settings(max_examples=200, deadline=None)
def test_any_receipt_posts_exactly_its_totals_or_is_held(made: tuple[str, dict[str, Decimal], Decimal, bool]) -> None:
    content, sold, stated, wrong = made
    found = judged(content)
    if isinstance(found, RejectedRecord):
        assert wrong or "two ways" in found.reason, found.reason
        return
    sent = posting(decode(found.payload))
    assert posted_total(sent) == Decimal(sent["total"]) == stated
    if not wrong:  # a total that was changed may be that of another reading; then it posts that one
        lines: dict[str, Decimal] = defaultdict(Decimal)
        for line in sent["lines"]:
            lines[line["item"]] += Decimal(line["amount"])
        assert {k: v for k, v in lines.items() if v} == {k: v for k, v in sold.items() if v}
