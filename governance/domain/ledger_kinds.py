"""The kinds of the audit ledger that everybody signed in may read, each with its reason. Every other kind needs a rule
of sight, or nobody but those who see everything reads its entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_LANDSCAPE: Final = "a part of the landscape that every page of the catalog names; it has no restricted ones"
_PEOPLE: Final = "who may act for whom is open, so that everybody can check a decision"
_RULES: Final = "a rule that binds everybody is known to everybody"

OPEN: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("application", "attribute_group", "boundary", "domain", "endpoint", "entity", "environment"), _LANDSCAPE
    ),
    **dict.fromkeys(("scope", "store", "system", "team", "tier"), _LANDSCAPE),
    **dict.fromkeys(("absence", "delegation", "membership", "person", "user"), _PEOPLE),
    **dict.fromkeys(
        ("group", "group_mapping", "group_pattern", "provider_group"),
        "who belongs to the teams that decide is open, for the same reason",
    ),
    **dict.fromkeys(("campaign", "freeze", "policy"), _RULES),
    "estate": "a blueprint as a whole: who applied it and when, with counts",
    "import": "who imported, from what kind of source, with counts",
    "usage": "a batch of usage by its own number, with counts",
    "token": "who gave out and ended which token with which scopes; never the token",
    "vendor": "the pace and the circuit breaker of a system of the landscape",
    "demo": "that the installation was a demo once, for everybody who relies on its ledger",
    "guard": "what the installation lacks for a while, for the same reason",
    "rewind": "a recovery of the whole installation by its number",
}
