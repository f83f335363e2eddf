"""Whatever receipt a till writes, in whichever dialect: it posts exactly its totals, or it is held with the difference
named."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import profiles
from runtime.connectors.poslog.connector import PosLogSettings, documents
from runtime.connectors.protocols import RejectedRecord
from runtime.connectors.settings import read_settings
from runtime.mapping import decode
from tests.runtime.connectors.test_poslog_sums import posted_total, posting
from tests.runtime.connectors.till_writers import ALL, DIALECTS, Dialect, Rung, Sale

CENT = Decimal("0.01")
MONEY = st.integers(1, 5000).map(lambda cents: Decimal(cents) * CENT)


@st.composite
def rung(draw: Any) -> Rung:
    amount = draw(MONEY)
    discount = draw(st.integers(0, int(amount / CENT))) * CENT if draw(st.booleans()) else Decimal(0)
    return Rung(draw(st.sampled_from("ABC")), amount, draw(st.booleans()), draw(st.booleans()), discount)


@st.composite
def sales(draw: Any, dialect: Dialect) -> Sale:
    charges = st.dictionaries(st.sampled_from(sorted(dialect.charges) or ["Tip"]), MONEY, max_size=2)
    articles, on_top = draw(st.lists(rung(), min_size=1, max_size=5)), draw(st.booleans())
    tax = draw(st.just(Decimal(0)) | MONEY)
    if not on_top:  # then it is a part of the prices
        tax = min(tax, sum((one.net for one in articles if not one.voided and not one.back), Decimal(0)))
    made = Sale(articles, draw(charges) if dialect.charges else {}, tax, on_top)
    if draw(st.booleans()) and draw(st.booleans()):
        made.changed = draw(MONEY)
    return made


def rules_of(dialect: Dialect) -> PosLogSettings:
    data = profiles.profile(dialect.profile).connection({"root": "/nowhere", "currency": "EUR"})
    found: PosLogSettings = read_settings(PosLogSettings, data)
    return found


@pytest.mark.parametrize("name", DIALECTS)
def test_any_receipt_posts_exactly_its_totals_or_is_held(name: str) -> None:
    dialect = DIALECTS[name]
    rules, posted = rules_of(dialect), 0

    @given(sales(dialect))
    @settings(max_examples=60, deadline=None)
    def judge(sale: Sale) -> None:
        nonlocal posted
        (found,) = documents(io.BytesIO(dialect.write(sale)), "f.xml", rules=rules)
        if isinstance(found, RejectedRecord):
            assert sale.changed or "two ways" in found.reason, found.reason
            assert "two ways" in found.reason or re.search(r"a difference of [0-9.]+", found.reason), found.reason
            return
        document = decode(found.payload)
        sent = posting({"currency": "EUR", **document})
        assert posted_total(sent) == Decimal(sent["total"]) == sale.stated
        if sale.changed:  # a total that was changed may be that of another reading; then it posts that one
            return
        posted += 1
        lines: dict[str, Decimal] = defaultdict(Decimal)
        for line in sent["lines"]:
            lines[line["item"]] += Decimal(line["amount"])
        made = {item: amount for item, amount in lines.items() if amount}
        assert made == sale.sold

    judge()
    assert posted, "nothing was ever posted"


def test_every_dialect_that_is_written_has_a_profile_of_its_own() -> None:
    assert {one.profile for one in DIALECTS.values()} <= set(profiles.profiles())
    assert {name for one in DIALECTS.values() for name in one.charges} <= ALL
