"""Cardholder data is taken out of a page of records before it leaves the connector. The key of a record is not looked
into; one that is a card number by its name rejects the record."""

from __future__ import annotations

import base64
from dataclasses import replace

import msgspec
from msgspec import structs

from kernel import card_measures
from kernel.card_data import MaskedCards
from runtime.connectors.charsets import by_mark, is_utf8
from runtime.connectors.protocols import Page, Record, RejectedRecord
from runtime.domain import masking

TOGETHER = 64  # records that are looked through at once: one that may hold something costs these a look of their own


def without_cards(page: Page, *, whole: bool = False, text: bool = False, way: card_measures.Way = "files") -> Page:
    """The page with what was taken as a warning; the same page where there was nothing. `whole`: its records are files,
    as base64 in `content`, or as `text`. `way`: how it comes in, for the measures."""
    if page.looked_through:
        return page
    count = MaskedCards()
    records: list[Record] = []
    rejected = [replace(one, payload=_masked(one.payload, count, one.key)) for one in page.rejected]
    of_file = (_of_text if text else _of_file) if whole else None
    for first in range(0, len(page.records), TOGETHER):
        some = page.records[first : first + TOGETHER]
        if not whole and masking.hold_no_cards([one.payload for one in some]):
            records += some
            continue
        for one in some:
            payload = of_file(one.payload, count) if of_file else _masked(one.payload, count, one.key)
            if count.of_key:
                count.of_key = False
                rejected.append(RejectedRecord(one.origin, masking.KEY_IS_A_CARD, _masked(one.payload, MaskedCards())))
            else:
                records.append(one if payload is one.payload else structs.replace(one, payload=payload))
    if not count:
        return replace(page, looked_through=True)
    card_measures.count(way, count)
    warnings = [*page.warnings, masking.said_of(count)]
    return replace(page, records=records, rejected=rejected, warnings=warnings, looked_through=True)


def looked_through(record: Record | RejectedRecord, *, before: bool) -> Record | RejectedRecord:
    """A record that is judged again; `before`: it was looked through where its document was made. Its key has to be
    whole: what was stored of a rejected message may have lost the middle of a number."""
    if isinstance(record, RejectedRecord):
        return record
    if masking.was_masked(record.key):
        return RejectedRecord(record.origin, masking.KEY_WAS_MASKED, record.payload, record.key)
    page = record if before else without_cards(Page([record], {}, True), way="correction")
    if isinstance(page, Page):
        return page.records[0] if page.records else page.rejected[0]
    return page


def _masked(payload: bytes, count: MaskedCards, key: str | None = None) -> bytes:
    shown, found = masking.without_cards(payload, key)
    count.add(found)
    return shown


def _of_file(payload: bytes, count: MaskedCards) -> bytes:
    """Text in the charset of its mark, else UTF-8 or one in which each byte is a character, so that nothing else of a
    file changes."""
    document = msgspec.json.decode(payload)
    content = base64.b64decode(document["content"])
    codec = by_mark(content[:4], "utf-8" if is_utf8(content) else "latin-1")
    try:
        text = content.decode(codec)
    except UnicodeError:
        codec, text = "latin-1", content.decode("latin-1")
    shown = _masked(text.encode("utf-8", "surrogatepass"), count).decode("utf-8", "surrogatepass")
    if shown == text:
        return payload
    document["content"] = base64.b64encode(shown.encode(codec)).decode()
    return msgspec.json.encode(document)


def _of_text(payload: bytes, count: MaskedCards) -> bytes:
    document = msgspec.json.decode(payload)
    shown = _masked(document["content"].encode(), count).decode()
    if shown == document["content"]:
        return payload
    document["content"] = shown
    return msgspec.json.encode(document)
