"""What each kind of till posts: a small file of each dialect, in words of our own, read by its profile."""

from __future__ import annotations

import io
import random
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runtime import profiles
from runtime.connectors.poslog.connector import PosLogSettings, documents, transaction_again
from runtime.connectors.poslog.reading import NotPosLog
from runtime.connectors.protocols import Record, RejectedRecord
from runtime.connectors.settings import read_settings
from runtime.mapping import MappingError, decode
from tests.runtime.connectors.test_poslog_sums import by_article, posted_total, posting

FOLDER = Path(__file__).parent / "tills"


class Posted(NamedTuple):
    """What reaches the books: of each article quantity and amount, the total, and what the total has beside them."""

    key: str
    articles: dict[str, tuple[str, str]]
    total: str
    adjustments: str


class Till(NamedTuple):
    file: str
    profile: str
    settings: dict[str, Any]
    posted: list[Posted]
    others: list[str]  # kinds of what is no sale
    held: str = ""  # why one waits for a person


DAY = "2026-03-02"
TILLS = {
    "NCR ACS": Till(
        "ncr-acs.xml", "poslog-ncr-acs", {}, [Posted(f"9/3/{DAY}/92", {"4011": ("2.18", "3.27")}, "3.15", "-0.12")], []
    ),
    "Diebold Nixdorf TP.net": Till(
        "tpnet.xml", "poslog-tpnet", {}, [Posted(f"502/2/{DAY}/2730", {"77": ("2", "12.30")}, "10.00", "-2.30")], []
    ),
    "NCR R10": Till(
        "r10.xml",
        "poslog-r10",
        {},
        [
            Posted(
                f"1101/002/{DAY}/543",
                {"8850000000018": ("1", "131.95"), "8850000000099": ("1", "52.02")},
                "183.97",
                "0",
            )
        ],
        [],
    ),
    "Oracle Xstore": Till(
        "xstore.xml",
        "poslog-xstore",
        {},
        [Posted(f"84/4/{DAY}/1207", {"J1": ("1", "89.90"), "J7": ("-1", "-20.03")}, "69.87", "0")],
        ["retail"],
        "it takes the transaction 1207 back",
    ),
    "Digital receipts": Till(
        "digital-receipt.xml",
        "poslog-drop",
        {"day_begins": "00:00"},
        [Posted("5561/9/2026-03-17/728", {"205": ("1", "25")}, "25", "0")],
        [],
    ),
    "NAXML": Till(
        "naxml.xml",
        "naxml-journal",
        {"currency": "USD"},
        [
            Posted(f"14/1/{DAY}/1472", {"000200": ("2", "5.98"), "001": ("11.198", "30")}, "36.48", "0.50"),
            Posted(f"14/1/{DAY}/1473", {"000200": ("-1", "-2.99")}, "-2.99", "0"),
        ],
        ["retail", "control", "tender_control"],
    ),
    "SAP POS inbound": Till(
        "wpubon01.xml",
        "sap-pos-inbound",
        {},
        [
            Posted(
                f"0000007708/3/{DAY}/231", {"100001": ("2", "10.50"), "4006381333931": ("-1", "-2.49")}, "8.00", "-0.01"
            ),
            Posted(f"0000007708/3/{DAY}/B00000232-F1", {"100002": ("1", "5.00")}, "5.00", "0"),
        ],
        [],
    ),
}


def read_file(till: Till, content: bytes | None = None, **more: Any) -> list[Record | RejectedRecord]:
    settings = {"root": "/nowhere", **profiles.profile(till.profile).connection({**till.settings, **more})}
    rules: PosLogSettings = read_settings(PosLogSettings, settings)
    if content is None:
        content = (FOLDER / till.file).read_bytes()
    return list(documents(io.BytesIO(content), till.file, rules=rules))


@pytest.mark.parametrize("name", TILLS)
def test_a_till_posts_its_receipts_by_article_and_amount(name: str) -> None:
    till = TILLS[name]
    found = read_file(till)
    reasons = [one.reason for one in found if isinstance(one, RejectedRecord)]
    assert len(reasons) == bool(till.held), reasons
    assert not till.held or till.held in reasons[0]
    made = [decode(one.payload) for one in found if isinstance(one, Record)]
    sales = [one for one in made if one.get("sale")]
    assert [one.get("control_kind") or one["kind"] for one in made if not one.get("sale")] == [
        "other" if kind == "control" else kind for kind in till.others
    ]
    assert [one["id"] for one in sales] == [one.key for one in till.posted]
    for document, due in zip(sales, till.posted, strict=True):
        sent = posting({"sequence": 0, **document})  # a receipt number with letters is no sequence
        articles = {item: (Decimal(q), Decimal(a)) for item, (q, a) in due.articles.items()}
        assert by_article(sent["lines"]) == articles
        assert (Decimal(sent["total"]), Decimal(sent["adjustments"])) == (Decimal(due.total), Decimal(due.adjustments))
        assert posted_total(sent) == Decimal(due.total)


@pytest.mark.parametrize("name", TILLS)
def test_a_total_that_was_changed_is_held_with_the_difference(name: str) -> None:
    """Whatever the dialect, a receipt that does not add up posts nothing."""
    till = TILLS[name]
    due = till.posted[0].total
    content = (FOLDER / till.file).read_text()
    for old, new in CHANGED[name]:
        assert old in content
        content = content.replace(old, new)
    found = read_file(till, content.encode())
    reasons = [one.reason for one in found if isinstance(one, RejectedRecord)]
    reasons = [reason for reason in reasons if not till.held or till.held not in reason]
    assert len(reasons) == 1, due
    assert "does not add up" in reasons[0]
    assert "1.1" in reasons[0]


CHANGED = {
    "NCR ACS": [('"TransactionGrandAmount">3.15', '"TransactionGrandAmount">4.26')],
    "Diebold Nixdorf TP.net": [(':38">10.00', ':38">11.11')],
    "NCR R10": [
        ('"TransactionGrandAmount" CurrencyCode="THB">183.97', '"TransactionGrandAmount" CurrencyCode="THB">185.08')
    ],
    "Oracle Xstore": [("CDATA[69.87]", "CDATA[70.98]"), ("CDATA[69.85]", "CDATA[70.96]")],
    "Digital receipts": [('"TransactionGrandAmount">25.00000', '"TransactionGrandAmount">26.11000')],
    "NAXML": [("NetAmount>35.98", "NetAmount>37.09")],
    "SAP POS inbound": [("<SUMME>10.00", "<SUMME>11.11")],
}


def test_no_dialect_lets_a_card_number_through() -> None:
    found = read_file(TILLS["SAP POS inbound"])
    assert b"4111111111111111" not in found[1].payload
    assert b"411111******1111" in found[1].payload


@pytest.mark.parametrize("name", ["NAXML", "SAP POS inbound"])
def test_a_rejected_event_of_another_dialect_is_kept_as_poslog_that_can_be_corrected(name: str) -> None:
    till = TILLS[name]
    content = (FOLDER / till.file).read_text()
    for old, new in CHANGED[name]:
        content = content.replace(old, new)
    (wrong,) = [one for one in read_file(till, content.encode()) if isinstance(one, RejectedRecord)]
    settings = {"root": "/nowhere", **profiles.profile(till.profile).connection(till.settings)}
    rules: PosLogSettings = read_settings(PosLogSettings, settings)
    again = transaction_again(wrong.payload, rules)
    assert isinstance(again, RejectedRecord)
    assert again.reason == wrong.reason
    right = wrong.payload.replace(b"37.59", b"36.48").replace(b"11.11", b"10.00").replace(b"9.11", b"8.00")
    made = transaction_again(right, rules)
    assert isinstance(made, Record), made.reason
    assert made.key == till.posted[0].key


def test_conditions_of_sap_that_reduce_may_be_declared() -> None:
    """Some senders leave the sign of every condition empty."""
    content = (
        (FOLDER / "wpubon01.xml")
        .read_text()
        .replace("<VORZEICHEN>+</VORZEICHEN><KONDITION>RAB1", "<VORZEICHEN/><KONDITION>RAB1")
    )
    content = content.replace("<VORZEICHEN>-</VORZEICHEN><KONDITION>", "<VORZEICHEN/><KONDITION>")
    till = TILLS["SAP POS inbound"]
    held = [one for one in read_file(till, content.encode()) if isinstance(one, RejectedRecord)]
    assert "3.00" in held[0].reason
    made = read_file(till, content.encode(), deducted=["RAB1"])
    assert not [one.reason for one in made if isinstance(one, RejectedRecord)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<WPUUMS01><IDOC><E1WPU01/></IDOC></WPUUMS01>", "sums"),
        (b"<NAXML-MovementReport><MovementHeader/></NAXML-MovementReport>", "sums"),
        (b"<NAXML-POSJournal><JournalReport/></NAXML-POSJournal>", ""),
    ],
)
def test_files_of_sums_are_refused_by_their_name(content: bytes, said: str) -> None:
    if not said:
        assert read_file(TILLS["NAXML"], content) == []
        return
    with pytest.raises(NotPosLog, match=said):
        read_file(TILLS["NAXML"], content)


def test_the_member_of_a_loyalty_program_is_read_where_the_profile_says() -> None:
    (found,) = read_file(TILLS["NCR R10"])
    assert decode(found.payload)["loyalty"] == ["M-77"]


def damaged(content: bytes, chance: random.Random) -> bytes:
    """One to three cuts, doublings, swaps of numbers or words put where they do not belong."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(content))
        to = min(len(content), at + chance.randrange(1, 60))
        what = chance.choice(("cut", "twice", "word", "number", "end"))
        if what == "cut":
            content = content[:at] + content[to:]
        elif what == "twice":
            content = content[:to] + content[at:to] + content[to:]
        elif what == "word":
            word = chance.choice((b"<X/>", b"yes", b"-", b"\x00", b"\xff", b"1e9", b"&amp;", b"<LineItem>", b"true"))
            content = content[:at] + word + content[at:]
        elif what == "number":
            other = b">" + chance.choice((b"", b"-1", b"x", b"9" * 20)) + b"<"
            places = list(re.finditer(rb">[0-9.]+<", content))
            if places:
                place = chance.choice(places)
                content = content[: place.start()] + other + content[place.end() :]
        else:
            content = content[: max(at, 1)]
    return content


@pytest.mark.parametrize("name", TILLS)
def test_a_damaged_file_gives_records_or_rejections_or_one_refusal_and_nothing_else(name: str) -> None:
    till, chance = TILLS[name], random.Random(17)
    content = (FOLDER / till.file).read_bytes()
    kept = 0
    for _ in range(250):
        try:
            found = read_file(till, damaged(content, chance))
        except NotPosLog:
            continue
        kept += len(found)
        for one in found:
            assert isinstance(one, Record | RejectedRecord)
            assert isinstance(one, Record) or one.reason
            if isinstance(one, Record) and (document := decode(one.payload)).get("sale"):
                assert document["control"]["ok"]
                try:
                    sent = posting({"sequence": 0, **document})
                except MappingError:
                    continue  # an article without a name or a quantity: the target refuses it, with the reason
                assert posted_total(sent) == Decimal(document["total"])
    assert kept, "no damaged file was read at all"


@pytest.mark.parametrize(
    ("name", "begin", "end", "store"),
    [
        ("SAP POS inbound", "<IDOC", "</IDOC>", "<SNDPRN>0000007708</SNDPRN>"),
        ("NAXML", "<TransmissionHeader>", "</JournalReport>", "<StoreLocationID>14</StoreLocationID>"),
    ],
)
def test_a_store_that_one_part_of_a_file_names_is_not_that_of_the_next_part(
    name: str, begin: str, end: str, store: str
) -> None:
    content = (FOLDER / TILLS[name].file).read_text()
    part = content[content.index(begin) : content.index(end) + len(end)]
    assert store in part
    content = content.replace(part, part + part.replace(store, ""))
    found = read_file(TILLS[name], content.encode())
    half = len(found) // 2
    assert all(isinstance(one, Record) for one in found[:half])
    assert all("missing: store" in one.reason for one in found[half:] if isinstance(one, RejectedRecord))
    assert not [one for one in found[half:] if isinstance(one, Record)]
