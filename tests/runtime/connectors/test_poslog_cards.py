"""Card numbers and codes of a POSLog never reach a message, nor the XML of a rejected transaction."""

from __future__ import annotations

import io

import pytest

from runtime.connectors.poslog.connector import documents
from runtime.connectors.protocols import RejectedRecord
from runtime.mapping import decode
from tests.runtime.connectors.receipts import entry, goods, poslog, receipt, tender, total

CARD = "4111111111111111"
RUNG = (goods(1, "10.00"), tender(9, "10.00"), total("10.00"))
PLACES = {
    "of the standard": tender(
        2, "10.00", more=f"<CreditDebit><PrimaryAccountNumber>{CARD}</PrimaryAccountNumber><CVV>737</CVV></CreditDebit>"
    ),
    "of a vendor": tender(2, "10.00", more=f"<v:Card v:PAN='{CARD}'><v:CVV2>737</v:CVV2></v:Card>"),
    "of an account": tender(
        2, "10.00", more=f"<StoreAccount><CardNumber>{CARD}</CardNumber><SecurityCode>737</SecurityCode></StoreAccount>"
    ),
    "in a text": tender(2, "10.00", more="<v:Slip>VISA 4111 1111 1111 1111 <v:CVC>737</v:CVC></v:Slip>"),
    "elsewhere": tender(2, "10.00") + entry(f"<v:Print><v:Line>{CARD}</v:Line><v:Cvv>737</v:Cvv></v:Print>", 3),
}


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("kind", ["RetailTransaction", "CustomerOrderTransaction", "TenderControlTransaction"])
@pytest.mark.parametrize("place", PLACES)
def test_no_card_number_and_no_code_is_kept(place: str, kind: str, damaged: bool) -> None:
    content = receipt(goods(1, "10.00"), PLACES[place], total("10.00")).replace("RetailTransaction", kind)
    if damaged:
        content = content.replace("<WorkstationID>1</WorkstationID>", "")
    (found,) = documents(io.BytesIO(poslog(content)))
    assert isinstance(found, RejectedRecord) == damaged
    kept = found.payload.decode()
    assert CARD not in kept.replace(" ", "")
    assert "737" not in kept
    assert "411111******1111" in kept
    if not damaged:
        assert decode(found.payload)["cardData"] == {"masked": 1, "dropped": 1}


def test_articles_and_loyalty_accounts_keep_their_numbers() -> None:
    member = f"<v:LoyaltyID>{CARD}</v:LoyaltyID>"
    content = receipt(goods(1, "10.00", item=CARD), *RUNG[1:], entry(f"<v:Loyalty>{member}</v:Loyalty>", 3))
    (found,) = documents(io.BytesIO(poslog(content)))
    made = decode(found.payload)
    assert (made["lines"][0]["item"], made["loyalty"]) == (CARD, [CARD])
    assert "cardData" not in made
