"""Who can sign in to the demo retailer, and which page to open first. No Django here: `make up` prints this list."""

from __future__ import annotations

from typing import Final, NamedTuple


class DemoAccount(NamedTuple):
    """One demo account: user name, role, the page worth opening first and what to see or do there."""

    name: str
    role: str
    page: str
    there: str


PASSWORD: Final = "tillgate-demo"  # noqa: S105 - the demo's well-known password, on loopback only
SIGN_INS: Final = (
    DemoAccount("rita", "release manager", "/inbox/", "approve the sales integration"),
    DemoAccount("sofia", "owner of sales and finance", "/inbox/", "approve it too: then all six approvals are there"),
    DemoAccount(
        "ivy", "integration engineer", "/runtime/integrations/sales/", "author of the integrations: deploy it now"
    ),
    DemoAccount("petra", "owner of price", "/catalog/apis/price-api/", "three versions, one of them past its sunset"),
    DemoAccount("carl", "consumer, web shop", "/catalog/", "find an API and subscribe to it"),
    DemoAccount("ada", "architect", "/systems-of-record/", "which system owns which data"),
    DemoAccount("ida", "integration engineer", "/runtime/", "reviews ivy's work; is everything flowing?"),
    DemoAccount("stan", "owner of store systems", "/runtime/stores/", "six stores and what reaches them"),
    DemoAccount("paul", "owner of product", "/catalog/?q=product", "the APIs of the product team"),
    DemoAccount("lena", "owner of loyalty", "/catalog/subscriptions/", "who uses the loyalty API"),
    DemoAccount("sam", "security", "/policies/", "which change needs whose approval"),
    DemoAccount("admin", "platform administrator", "/ledger/", "who did what, in a log where every alteration shows"),
)
