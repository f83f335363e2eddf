"""How long the runtime keeps what, what it dropped, and whose payloads were erased."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class RetentionPolicy(models.Model):
    """How many days one class of data is kept, of one integration or (null) of all. Rows are only added: of those that
    are in force the newest counts, one of the integration before one of all. Null days: kept for ever."""

    class DataClass(models.TextChoices):
        MESSAGES = "messages", "Messages"
        EVIDENCE = "evidence", "Evidence of deliveries"
        RUNS = "runs", "Runs"
        REJECTED = "rejected", "Settled rejects and conflicts"
        COMPARISONS = "comparisons", "Comparisons with targets"
        HEADS = "heads", "Known keys of facts"
        EVENTS = "events", "Events and webhooks"
        INDICATORS = "indicators", "Service levels by day"

    data_class = models.CharField(max_length=11, choices=DataClass.choices)
    integration = models.ForeignKey(
        "runtime.Integration", null=True, blank=True, on_delete=models.CASCADE, related_name="retention"
    )
    days = models.IntegerField(null=True, blank=True)
    since = models.DateTimeField(db_default=Now())
    reason = models.TextField(blank=True, db_default="")
    set_at = models.DateTimeField(db_default=Now())
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "runtime_retention"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(days=None) | models.Q(days__gte=1), name="retention_days")
        ]

    def __str__(self) -> str:
        return f"{self.data_class}: {self.days or 'for ever'}"


class DroppedCount(models.Model):
    """What retention has dropped of one day (UTC), added up: a day that is gone is not a day on which nothing came.

    `number` counts rows; `subscription_id` is that of evidence, 0 for everything else.
    """

    data_class = models.CharField(max_length=11)
    stream_id = models.BigIntegerField(db_default=0)
    subscription_id = models.BigIntegerField(db_default=0)
    day = models.DateField()
    number = models.BigIntegerField(db_default=0)
    confirmed = models.BigIntegerField(db_default=0)
    superseded = models.BigIntegerField(db_default=0)
    skipped = models.BigIntegerField(db_default=0)
    declined = models.BigIntegerField(db_default=0)
    read = models.BigIntegerField(db_default=0)
    accepted = models.BigIntegerField(db_default=0)
    dropped_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "runtime_dropped"
        ordering = ["day"]
        constraints = [
            models.UniqueConstraint(fields=["data_class", "stream_id", "subscription_id", "day"], name="dropped_once")
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.data_class} of {self.day}"


class Erasure(models.Model):
    """The payload of one message was erased, by whom and why. Its place, key and counts stay."""

    stream = models.ForeignKey("runtime.Stream", on_delete=models.CASCADE, db_index=False, related_name="erasures")
    lane = models.PositiveSmallIntegerField()
    position = models.BigIntegerField()
    at = models.DateTimeField(db_default=Now())
    reason = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["stream", "lane", "position"], name="erasure_once")]

    def __str__(self) -> str:
        return f"{self.stream_id}/{self.lane}/{self.position}"
