"""Sums by day of arrival, kept beside the log: what came from which store for how much, and what became of it at each
target. A periodic job adds what has come; `DaySumCursor` says up to where."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Now

EACH_LANE = -1


class NumberRanges(models.Field):  # type: ignore[type-arg]
    """Whole numbers, as ranges without gaps between them. Read and written in SQL."""

    def db_type(self, connection: Any) -> str:
        return "int8multirange"


class AnyDecimal(models.Field):  # type: ignore[type-arg]
    """A decimal of any size."""

    def db_type(self, connection: Any) -> str:
        return "numeric"


class DaySumCursor(models.Model):
    """Of one lane, the messages up to position `done` are in the sums of `about`: the log itself (`log`), the counts of
    runs (`runs`), a target (`to:` and its name), or a target that is a fleet (`fleet:` and its name). The days of the
    sums are days of `zone`; in another one they are made anew."""

    pk = models.CompositePrimaryKey("stream_id", "about", "lane")
    stream = models.ForeignKey(
        "runtime.Stream", on_delete=models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+"
    )
    about = models.CharField(max_length=90, db_collation="C")
    lane = models.PositiveSmallIntegerField()
    done = models.BigIntegerField(db_default=0)
    zone = models.CharField(max_length=80, db_default="")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "runtime_daysumcursor"

    def __str__(self) -> str:
        return f"{self.about} of {self.stream_id}/{self.lane} up to {self.done}"


class DaySum(models.Model):
    """Messages that arrived on a day, of one business day, store and currency as they say it, with their sum; `unknown`
    of them say no amount.

    `target` and `code` are empty for what is in the log. For a target, `code` is what became of them in their batch
    (`runtime.domain.outcome_codes`); what left the quarantine later is known by its last attempt, not here. For a fleet
    it is `n`: the newest of their keys on that day, which are meant for the fleet, by lane. `month` is that of their
    partition (UTC); with it they go.
    """

    pk = models.CompositePrimaryKey(
        "stream_id", "day", "target", "code", "business", "store", "currency", "lane", "month"
    )
    stream = models.ForeignKey(
        "runtime.Stream", on_delete=models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+"
    )
    day = models.DateField()
    target = models.CharField(max_length=80, blank=True, db_collation="C")
    code = models.CharField(max_length=1, blank=True, db_collation="C")
    business = models.CharField(max_length=10, blank=True, db_collation="C")
    store = models.CharField(max_length=80, blank=True, db_collation="C")
    currency = models.CharField(max_length=3, blank=True, db_collation="C")
    lane = models.SmallIntegerField(db_default=EACH_LANE)
    month = models.DateField()
    number = models.BigIntegerField(db_default=0)
    amount: Any = AnyDecimal(db_default=0)
    unknown = models.BigIntegerField(db_default=0)

    class Meta:
        db_table = "runtime_daysum"

    def __str__(self) -> str:
        return f"{self.number} of {self.day} in {self.store or 'no store'}"


class DaySpan(models.Model):
    """The first and the last position of a day of arrival in a lane, as far as it is in the sums. Where the clock was
    set, positions of another day may lie between them."""

    pk = models.CompositePrimaryKey("stream_id", "day", "lane", "month")
    stream = models.ForeignKey(
        "runtime.Stream", on_delete=models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+"
    )
    day = models.DateField()
    lane = models.PositiveSmallIntegerField()
    month = models.DateField()
    first = models.BigIntegerField()
    last = models.BigIntegerField()

    class Meta:
        db_table = "runtime_dayspan"

    def __str__(self) -> str:
        return f"{self.day} in {self.stream_id}/{self.lane}: {self.first} to {self.last}"


class TillNumbers(models.Model):
    """The numbers that a till gave on a business day, of what arrived on a day: what lies between them is missing."""

    pk = models.CompositePrimaryKey("stream_id", "day", "business", "store", "till", "month")
    stream = models.ForeignKey(
        "runtime.Stream", on_delete=models.DO_NOTHING, db_index=False, db_constraint=False, related_name="+"
    )
    day = models.DateField()
    business = models.CharField(max_length=10, db_collation="C")
    store = models.CharField(max_length=80, db_collation="C")
    till = models.CharField(max_length=80, db_collation="C")
    month = models.DateField()
    numbers: Any = NumberRanges()

    class Meta:
        db_table = "runtime_tillnumbers"

    def __str__(self) -> str:
        return f"{self.store}, till {self.till} on {self.business}"
