"""How much cardholder data was kept out, for Prometheus."""

from __future__ import annotations

from typing import Literal

from kernel import measures
from kernel.card_data import MaskedCards

Way = Literal["poslog", "files", "sources", "intake", "correction"]
TAKEN = measures.counter(
    "card_data",
    "Cardholder data that was kept out: card numbers that were masked, and codes and tracks that were dropped, by the "
    "way they came: poslog, files, sources, intake, correction.",
    ("way", "kind"),
)


def count(way: Way, taken: MaskedCards) -> None:
    """Once for each time that it was read: what is read twice counts twice."""
    if taken.numbers:
        TAKEN.labels(way, "number").inc(taken.numbers)
    if taken.dropped:
        TAKEN.labels(way, "code").inc(taken.dropped)


__all__ = ["TAKEN", "Way", "count"]
