"""What runs where, for people: pages of the live records, by place and not by number, so that the last page costs what
the first one does."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F, QuerySet
from django.db.models.fields.tuple_lookups import TupleGreaterThan

from governance.models import ApplicationRelease

SHOWN = 50
PLACE = ("environment", "application", "instance", "id")
"""The order of a page, behind whether a record stands against the gate."""


@dataclass(frozen=True, slots=True)
class LivePage:
    """`after`: behind which record the list goes on; None where it ends here. `first`: nothing stands before it."""

    rows: list[ApplicationRelease]
    after: int | None
    first: bool


def page(records: QuerySet[ApplicationRelease], after: str = "") -> LivePage:
    """`records` are live ones that the viewer may see; `after` is what a request gives, a record's number. One that is
    not among them begins anew."""
    records = records.select_related(None).prefetch_related("verdict")  # joined, all rows behind would be read
    begun = _begun(records, after)
    found: list[ApplicationRelease] = []
    for against_gate in (True, False):
        part = records.filter(against_gate=against_gate).order_by(*PLACE)
        if begun is not None and begun.against_gate != against_gate:
            if not begun.against_gate:
                continue
        elif begun is not None:
            part = part.filter(behind(begun))
        if len(found) <= SHOWN:
            found += part[: SHOWN + 1 - len(found)]
    return LivePage(found[:SHOWN], found[SHOWN - 1].pk if len(found) > SHOWN else None, begun is None)


def behind(record: ApplicationRelease) -> TupleGreaterThan:
    """As one comparison of rows, which an index answers from that place on."""
    return TupleGreaterThan(tuple(F(name) for name in PLACE), tuple(getattr(record, name) for name in PLACE))


def _begun(records: QuerySet[ApplicationRelease], after: str) -> ApplicationRelease | None:
    if not (after.isascii() and after.isdecimal() and len(after) < 19):
        return None
    return records.filter(pk=int(after)).first()
