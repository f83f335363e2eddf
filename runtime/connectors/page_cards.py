"""Cardholder data is taken out of a page of records before it leaves the connector."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from kernel.card_data import MaskedCards
from runtime.connectors.protocols import Page
from runtime.domain import masking


def without_cards(page: Page) -> Page:
    """The page with what was taken as a warning; the same page where there was nothing."""
    count = MaskedCards()
    records = [structs.replace(one, payload=_masked(one.payload, count)) for one in page.records]
    rejected = [replace(one, payload=_masked(one.payload, count)) for one in page.rejected]
    if not count:
        return page
    return replace(page, records=records, rejected=rejected, warnings=[*page.warnings, masking.said_of(count)])


def _masked(payload: bytes, count: MaskedCards) -> bytes:
    shown, found = masking.without_cards(payload)
    count.numbers += found.numbers
    count.dropped += found.dropped
    return shown
