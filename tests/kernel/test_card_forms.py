"""Card numbers and tracks in the forms in which tills, terminals and people write them; and what is none."""

from __future__ import annotations

import random

import pytest

from kernel.card_data import MaskedCards, masked, masked_text

CARD = "4556737586899855"
GROUPS = ("4556", "7375", "8689", "9855")
CARDS = {
    **{name: by.join(GROUPS) for name, by in {"dot": ".", "slash": "/", "underscore": "_", "blanks": "  "}.items()},
    "no-break blank": "\u00a0".join(GROUPS),
    "thin blank": "\u2009".join(GROUPS),
    "narrow blank": "\u202f".join(GROUPS),
    "no width": "\u200b".join(GROUPS),
    "en dash": "\u2013".join(GROUPS),
    "hyphen of its own": "\u2011".join(GROUPS),
    "hyphens in blanks": " - ".join(GROUPS),
    "line ends": "\n".join(GROUPS),
    "line ends of Windows": "\r\n".join(GROUPS),
    "wrapped": "4556 7375\n8689 9855",
    "a blank too many": "4556 7375  8689 9855",
    "full width": "".join(chr(0xFF10 + int(one)) for one in CARD),
    "Arabic": "".join(chr(0x660 + int(one)) for one in CARD),
    "Devanagari": "".join(chr(0x966 + int(one)) for one in CARD),
    "zeros before it": f"000{CARD}",
    "many zeros": f"00000000{CARD}",
    "American Express": "3782.822463.10005",
    "American Express in 16 digits": "0378282246310005",
    "an expiry behind it": f"{CARD} 12/25",
    "a code behind it": f"{CARD} 737",
    "numbers around it": f"2 {' '.join(GROUPS)} 12",
}
TRACKS = {
    "track 1": f"%B{CARD}^DOE/J^25121010000012300000?",
    "track 1 without its signs": f"{CARD}^DOE/J^25121010000012300000",
    "track 1 in groups": "%B3782 822463 10005^DOE/J ^2512101?",
    "track 2": f";{CARD}=25121010000012300000?",
    "track 2 of a terminal": f"{CARD}D25121010000012300000F",
    "track 2 in full width": f";{CARDS['full width']}=25121010000012300000?",
    "track of a card of its own": ";9999999999999999=25121010000012300000?",
    "track 2 in groups": ";4556 7375 8689 9855=25121010000012300000?",
    "tag 57": f"9F2608AABB5713{CARD}D25121010000012300000F5F24",
    "a caret": f"{CARD}^2512101",
}


@pytest.mark.parametrize("form", CARDS)
@pytest.mark.parametrize("around", ["{}", "Paid by {}.", "«{}»"])
def test_a_card_number_loses_its_middle_in_whatever_form(form: str, around: str) -> None:
    count = MaskedCards()
    made = masked_text(around.format(CARDS[form]), count)
    assert count == MaskedCards(1)
    assert "***" in made
    left = "".join(one for one in made if one.isalnum())
    assert "758689" not in left
    assert "24631" not in left


@pytest.mark.parametrize("form", TRACKS)
def test_all_of_a_track_goes(form: str) -> None:
    count = MaskedCards()
    made = masked_text(f"read {TRACKS[form]} at 12:00", count)
    assert count == MaskedCards(0, 1)
    assert not any(kept in made for kept in ("4556", "2512", "0000123", "DOE", "99999"))
    assert made.startswith("read ")
    assert made.endswith(" at 12:00")


@pytest.mark.parametrize("name", ["ICCData", "EMVData", "CardData", "Tag57", "Pvki", "PVV", "Track2EquivalentData"])
def test_data_of_a_chip_goes_by_its_name(name: str) -> None:
    count = MaskedCards()
    assert masked({name: "123"}, count) == {name: "***"}
    assert count.dropped == 1


def test_what_a_document_says_of_its_card_data_stays() -> None:
    said = {"cardData": {"masked": 1, "dropped": 2}}
    assert masked(said, MaskedCards()) is said


@pytest.mark.parametrize("name", ["receiptText", "ReceiptLine", "orderNote", "itemDescription"])
def test_free_text_about_a_receipt_or_an_article_is_looked_into(name: str) -> None:
    assert masked({name: f"VISA {CARD}"}, MaskedCards()) == {name: "VISA 455673******9855"}


def with_check_digit(body: str) -> str:
    """As GS1 makes it."""
    return body + str(-sum(int(one) * (3, 1)[at % 2] for at, one in enumerate(reversed(body))) % 10)


def iban(country: str, account: str) -> str:
    digits = "".join(str(int(one, 36)) for one in f"{account}{country}00")
    whole = f"{country}{98 - int(digits) % 97:02}{account}"
    return " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))


def test_numbers_of_trade_are_no_cards() -> None:
    """1,000 of each kind. Of numbers of 16 digits with no check digit of their own one in forty looks like a card."""
    chance = random.Random(7)

    def some(size: int) -> str:
        return "".join(chance.choices("0123456789", k=size))

    kinds = {
        "GTIN": lambda: with_check_digit(some(12)),
        "GTIN, 18 digits": lambda: f"0000{with_check_digit(some(13))}",
        "GTIN and quantity": lambda: f"{with_check_digit(some(12))} {chance.randint(1, 9)}",
        "GTIN and day": lambda: f"{with_check_digit(some(12))} 2026-11-30",
        "SSCC": lambda: with_check_digit(some(17)),
        "SSCC with identifier": lambda: f"00{with_check_digit(some(17))}",
        "order": lambda: some(10).zfill(18),
        "IBAN": lambda: iban("FR", f"{chance.choice(('30002', '30004', '37604'))}{some(18)}"),
        "moment": lambda: f"30{chance.randint(1, 12):02}2026{chance.randint(10, 23)}{chance.randint(10, 59)}00",
        "time": lambda: f"2026-11-30 {chance.randint(10, 23)}:12:00.{some(6)}",
        "prices": lambda: " ".join(f"{chance.randint(1, 99)}.{some(2)}" for _ in range(6)),
        "place": lambda: f"{chance.randint(1, 89)}.{some(7)} {chance.randint(1, 179)}.{some(7)}",
        "store, day, number": lambda: f"4{some(3)}-20261{chance.randint(0, 2)}15-{some(4)}",
        "store, date, number": lambda: f"4{some(3)}-2026-1{chance.randint(0, 2)}-15-{some(4)}",
        "key": lambda: f"{some(4)}/{some(2)}/2026-11-30/{some(6)}",
        "fruit": lambda: "\n".join(str(chance.randint(3000, 4999)) for _ in range(4)),
        "phone": lambda: f"+49 {some(3)} {some(8)}",
        "EDI": lambda: f"LIN+1++{with_check_digit(some(12))}:SRV'QTY+21:48'DTM+137:20261130:102'",
    }
    for name, make in kinds.items():
        count = MaskedCards()
        for _ in range(1000):
            masked_text(make(), count)
        assert not count, name
