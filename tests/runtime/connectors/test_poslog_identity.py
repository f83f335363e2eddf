"""What names a transaction where a till leaves a part of its name out: by a rule that the source declares."""

from __future__ import annotations

import pytest

from kernel.errors import Invalid
from runtime.connectors.poslog.connector import gap_warnings, source
from tests.runtime.connectors.receipts import goods, held, read, receipt, tender, total

RUNG = (goods(1, "10.00"), tender(9, "10.00"), total("10.00"))
DAY = "<BusinessDayDate>2026-03-02</BusinessDayDate>"
TILL = "<WorkstationID>1</WorkstationID>"
NUMBER = "<SequenceNumber>1</SequenceNumber>"


def without(*parts: str, head: str = "") -> str:
    content = receipt(*RUNG, head=head)
    for part in parts:
        assert part in content
        content = content.replace(part, "", 1)
    return content


@pytest.mark.parametrize(
    ("head", "zone", "day"),
    [
        ("<EndDateTime>2026-03-03T01:30:00</EndDateTime>", "", "2026-03-02"),
        ("<EndDateTime>2026-03-03T04:00:00</EndDateTime>", "", "2026-03-03"),
        ("<EndDateTime>2026-03-03T01:30:00+07:00</EndDateTime>", "", "2026-03-02"),
        ("<EndDateTime>2026-03-03T02:30:00Z</EndDateTime>", "Europe/Berlin", "2026-03-02"),
        ("<EndDateTime>2026-03-03T03:30:00Z</EndDateTime>", "Europe/Berlin", "2026-03-03"),
        ("<BeginDateTime>2026-03-02T23:59:00</BeginDateTime>", "", "2026-03-02"),
        ('<POSLogDateTime TypeCode="Transaction">2026-03-03T00:10:00.5</POSLogDateTime>', "", "2026-03-02"),
    ],
)
def test_a_business_date_that_is_missing_is_that_of_the_end_by_a_declared_begin_of_the_day(
    head: str, zone: str, day: str
) -> None:
    content = without(DAY, head=head)
    assert "business date" in held(content)
    made = read(content, day_begins="04:00", zone=zone)
    assert (made["businessDate"], made["id"]) == (day, f"7/1/{day}/1")


def test_a_business_date_that_is_stated_counts_more_than_the_rule() -> None:
    made = read(receipt(*RUNG, head="<EndDateTime>2026-03-03T12:00:00</EndDateTime>"), day_begins="04:00")
    assert made["businessDate"] == "2026-03-02"


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("", "no time"),
        ("<EndDateTime>yesterday</EndDateTime>", "yesterday"),
        ("<EndDateTime>2026-03-03T02:30:00Z</EndDateTime>", "zone"),
    ],
)
def test_a_business_date_is_not_made_of_a_time_that_does_not_tell_it(head: str, said: str) -> None:
    assert said in held(without(DAY, head=head), day_begins="00:00")


def test_a_workstation_that_is_missing_has_the_declared_name() -> None:
    content = without(TILL)
    assert "workstation" in held(content)
    assert read(content, till="0")["id"] == "7/0/2026-03-02/1"


@pytest.mark.parametrize(
    ("head", "numbered", "key", "sequence"),
    [
        ("<TransactionID>0042</TransactionID>", "transaction", "42", 42),
        ("<TransactionID>AB-77</TransactionID>", "transaction", "AB-77", None),
        ("<TransactionID>20260302000100000042</TransactionID>", "transaction", "20260302000100000042", None),
    ],
)
def test_a_number_that_is_missing_is_that_of_the_transaction(
    head: str, numbered: str, key: str, sequence: int | None
) -> None:
    content = without(NUMBER, head=head)
    assert "sequence number" in held(content)
    made = read(content, number=numbered)
    assert made["id"] == f"7/1/2026-03-02/{key}"
    assert made.get("sequence") == sequence


def test_a_number_that_is_missing_is_that_of_the_receipt() -> None:
    content = without(NUMBER).replace("<RetailTransaction >", "<RetailTransaction ><ReceiptNumber>R/9</ReceiptNumber>")
    assert read(content, number="receipt")["id"] == "7/1/2026-03-02/R\\/9"
    assert "receipt" in held(without(NUMBER), number="receipt")


def test_gaps_are_told_of_numbers_alone() -> None:
    assert gap_warnings(["7/1/2026-03-02/AB-77", "7/1/2026-03-02/R\\/9", "7/1/2026-03-02/R\\/12"]) == []
    assert gap_warnings(["7/1/2026-03-02/1", "7/1/2026-03-02/X", "7/1/2026-03-02/3"]) == [
        "7/1/2026-03-02: 2 not seen between its neighbours"
    ]


def test_numbers_that_begin_anew_with_each_operator_are_told_apart() -> None:
    """The sequence is reset at a control break of the operator (ARTS ODM, RetailTransaction)."""
    texts = [receipt(*RUNG, head=f"<OperatorID>{name}</OperatorID>") for name in ("ann", "bob")]
    assert {read(text)["id"] for text in texts} == {"7/1/2026-03-02/1"}
    assert [read(text, numbers_per="operator")["id"] for text in texts] == [
        "7/1/2026-03-02/ann/1",
        "7/1/2026-03-02/bob/1",
    ]
    assert "operator" in held(receipt(*RUNG), numbers_per="operator")
    assert gap_warnings(["7/1/2026-03-02/ann/1", "7/1/2026-03-02/bob/3", "7/1/2026-03-02/ann/3"]) == [
        "7/1/2026-03-02/ann: 2 not seen between its neighbours"
    ]


@pytest.mark.parametrize(
    ("word", "meaning", "sale"),
    [("Fini", "sale", True), ("geparkt", "suspended", False), ("v:30", "voided", False), ("Übung", "training", False)],
)
def test_the_words_of_a_vendor_mean_what_the_source_declares(word: str, meaning: str, sale: bool) -> None:
    content = receipt(*RUNG, inside=f'TransactionStatus="{word}"')
    assert "is not known" in held(content)
    made = read(content, statuses={word.rpartition(":")[2].lower(): meaning})
    assert (made["sale"], made["status"]) == (sale, word)
    if not sale:
        assert made[meaning] is True


def test_a_declared_word_counts_more_than_that_of_the_standard() -> None:
    content = receipt(*RUNG, inside='TransactionStatus="Open"')
    assert read(content)["sale"] is False
    assert read(content, statuses={"Open": "sale"})["sale"] is True


def test_stores_and_statuses_are_settings_of_a_source(tmp_path) -> None:
    made = source(
        {"root": str(tmp_path), "stores": {"7": {"currency": "CHF"}, "8/a": {}}, "statuses": {"Fini": "sale"}}
    )
    assert made.settings.currency_of("7") == "CHF"
    made.close()


@pytest.mark.parametrize(
    ("settings", "pointer"),
    [
        ({"stores": {"7": {"curency": "CHF"}}}, "/stores/7/curency"),
        ({"stores": {"7/a": {"zon": "x"}}}, "/stores/7~1a/zon"),
        ({"statuses": {"Fini": "done"}}, "/statuses"),
        ({"day_begins": "4"}, ""),
        ({"day_begins": "24:00"}, ""),
        ({"number": "any"}, "/number"),
        ({"currency": "euro"}, ""),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_at_their_place(tmp_path, settings, pointer) -> None:
    with pytest.raises(Invalid) as refused:
        source({"root": str(tmp_path), **settings})
    assert any(one["pointer"].startswith(pointer) for one in refused.value.data["findings"])


def test_two_stores_of_one_file_have_days_of_their_own_zone() -> None:
    head = "<EndDateTime>2026-03-02T17:30:00Z</EndDateTime>"
    one = without(DAY, head=head)
    other = one.replace(">7<", ">8<")
    rules = {"day_begins": "00:00", "stores": {"7": {"zone": "Europe/Berlin"}, "8": {"zone": "Asia/Tokyo"}}}
    assert [read(text, **rules)["businessDate"] for text in (one, other)] == ["2026-03-02", "2026-03-03"]
