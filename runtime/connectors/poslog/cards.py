"""Cardholder data is taken out of a transaction before anything is made of it, the XML of a rejected one included."""

from __future__ import annotations

from kernel.card_data import MaskedCards, masked_text
from runtime.connectors.poslog.reading import Element, local

_GIFT = ("GiftCard", "GiftCertificate")


def without_cards(transaction: Element) -> MaskedCards:
    """Mask card numbers and drop codes and tracks in every text and attribute, in place. Says how many there were."""
    count = MaskedCards()
    for element in transaction.iter():
        name = local(element)
        if not name:
            continue
        parent = element.getparent()
        inside = name if parent is None or local(parent) not in _GIFT else f"{local(parent)}{name}"
        if element.text:
            element.text = masked_text(element.text, count, inside)
        if element.tail:
            element.tail = masked_text(element.tail, count)
        for key, value in list(element.attrib.items()):
            shown = masked_text(str(value), count, str(key).rpartition("}")[2])
            if shown != value:
                _write(element, key, shown)
    return count


def _write(element: Element, key: str | bytes, value: str) -> None:
    try:
        element.attrib[key] = value
    except ValueError:  # a name with a prefix that the file declares nowhere
        del element.attrib[key]
