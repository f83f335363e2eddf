"""How many rows of evidence the database has taken in: where fewer are found, some vanished, and nothing follows from
those that are left.

A yes may rest on a row that is not there: no consumer, no call, no dependency. So each of these tables is counted by
itself, and a reader compares.
"""

from __future__ import annotations

import pgtrigger
from django.db import models

BEGINNING = "0001-01-01"


class EvidenceTally(models.Model):
    """Rows of one kind about one thing: `subscription` and `usage` by version and environment, `calls` by application
    and environment, `dependency` by API, `store` all of them. Usage is counted by day, because old days are dropped."""

    kind = models.CharField(max_length=12)
    thing = models.BigIntegerField()
    environment = models.BigIntegerField(db_default=0)
    day = models.DateField(db_default=BEGINNING)
    found = models.BigIntegerField(db_default=0)

    class Meta:
        verbose_name_plural = "evidence tallies"
        constraints = [
            models.UniqueConstraint(fields=["kind", "thing", "environment", "day"], name="one_evidence_tally")
        ]
        triggers = [pgtrigger.Protect(name="tally_never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.found} of {self.kind} about {self.thing}"


def counted(*kinds: tuple[str, str, str, str]) -> list[pgtrigger.Trigger]:
    """Triggers that count rows coming and going: for each kind the column of the thing, of the environment and of the
    day, or what stands for it."""
    return [
        pgtrigger.Trigger(
            name=f"counted_{name}",
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=operation,
            referencing=referencing,
            func="".join(_COUNT.format(kind, thing, where, day, step) for kind, thing, where, day in kinds)
            + "return null;",
        )
        for name, operation, referencing, step in (
            ("in", pgtrigger.Insert, pgtrigger.Referencing(new="moved"), "count(*)"),
            ("out", pgtrigger.Delete, pgtrigger.Referencing(old="moved"), "-count(*)"),
        )
    ]


_COUNT = """
insert into catalog_evidencetally as t (kind, thing, environment, day, found)
select '{0}', {1}, {2}, {3}, {4} from moved group by 2, 3, 4 order by 2, 3, 4
on conflict (kind, thing, environment, day) do update set found = t.found + excluded.found;
"""
