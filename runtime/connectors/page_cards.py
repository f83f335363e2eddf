"""Cardholder data is taken out of a page of records before it leaves the connector."""

from __future__ import annotations

import base64
from dataclasses import replace
from functools import partial

import msgspec
from msgspec import structs

from kernel import card_measures
from kernel.card_data import MaskedCards
from runtime.connectors.charsets import by_mark, is_utf8
from runtime.connectors.protocols import Page, Record
from runtime.domain import masking


def without_cards(page: Page, *, whole: bool = False, text: bool = False, way: card_measures.Way = "files") -> Page:
    """The page with what was taken as a warning; the same page where there was nothing. `whole`: its records are files,
    as base64 in `content`, or as `text`. `way`: how it comes in, for the measures."""
    count = MaskedCards()
    of_record = partial((_of_text if text else _of_file) if whole else _masked, count=count)
    records = [_with_payload(one, of_record(one.payload)) for one in page.records]
    rejected = [replace(one, payload=_masked(one.payload, count)) for one in page.rejected]
    if not count:
        return page
    card_measures.count(way, count)
    return replace(page, records=records, rejected=rejected, warnings=[*page.warnings, masking.said_of(count)])


def _with_payload(record: Record, payload: bytes) -> Record:
    return record if payload is record.payload else structs.replace(record, payload=payload)


def _masked(payload: bytes, count: MaskedCards) -> bytes:
    shown, found = masking.without_cards(payload)
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
