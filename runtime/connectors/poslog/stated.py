"""What a transaction states once. Where it states it twice and contradicts itself, nobody can say which counts, and
the transaction is rejected: it is money, or the name of the sale.

Elements that differ in an attribute (another unit, another currency) are about different things; the first counts, as
before. Of totals the standard allows any number: of one type, those in the currency of the transaction have to agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from runtime.connectors.poslog.reading import Element, attribute, child, currency_at, local, text


class BadTransaction(Exception):
    """The transaction cannot be identified, contradicts itself or holds a number that is none; the message says
    where."""


def stated(element: Element | None, *path: str) -> str | None:
    """As `reading.text`; raises BadTransaction where the last step stands twice and says two things."""
    parent = child(element, *path[:-1]) if element is not None and len(path) > 1 else element
    if parent is None:
        return None
    same = [one for one in parent if local(one) == path[-1]]
    if len(same) > 1:
        _agreeing(same, path[-1])
    return text(parent, path[-1])


def _agreeing(same: list[Element], name: str) -> None:
    said: dict[tuple[tuple[str, str], ...], str] = {}
    for one in same:
        about = tuple(sorted((str(key).rpartition("}")[2], str(value)) for key, value in one.attrib.items()))
        content = text(one) or ""
        before = said.setdefault(about, content)
        if _value(before) != _value(content):
            raise BadTransaction(f"{name} stands twice and contradicts itself: {before[:40]!r} and {content[:40]!r}")


def total_of(totals: Iterable[Element], kind: str, currency: str | None) -> str | None:
    """The total of one type as it stands; None where there is none. Raises BadTransaction where there are several and
    it is not clear which is that of the transaction."""
    mine: dict[Decimal | str, str] = {}
    others: dict[Decimal | str, str] = {}
    for total in totals:
        if attribute(total, "TotalType") != kind or (content := text(total)) is None:
            continue
        of = currency_at(total)
        (mine if of is None or of == currency else others).setdefault(_value(content), content)
    found = list((mine if mine or currency is not None else others).values())
    if len(found) > 1:
        said = "contradict each other" if mine else "are of several currencies, and the transaction says none of them"
        raise BadTransaction(f"totals of the type {kind} {said}: {', '.join(one[:40] for one in found[:5])}")
    return found[0] if found else None


def _value(content: str) -> Decimal | str:
    """Numbers are compared as numbers."""
    try:
        return Decimal(content) if content.isascii() else content
    except InvalidOperation:
        return content
