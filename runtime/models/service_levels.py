"""What is measured against objectives: small sums by five minutes and by day, never a row per message."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class ServiceIndicator(models.Model):
    """One thing that is measured: freshness or latency of one target of a stream, or availability of a system in an
    environment. `since`: measured from then on; `active`: still deployed.

    `share` (per cent) and `limit_s` are the objective in force, from the `source`. `answered` and `unanswered` are the
    counts of all processes at the last look. `standing` is what was found at `evaluated_at`, as pages show it.
    """

    kind = models.CharField(max_length=12)
    environment = models.CharField(max_length=40)
    stream = models.ForeignKey("runtime.Stream", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    target = models.CharField(max_length=80, blank=True, default="")
    system_key = models.CharField(max_length=80)
    tier = models.PositiveSmallIntegerField(default=3)
    since = models.DateTimeField(db_default=Now())
    active = models.BooleanField(default=True)
    share = models.DecimalField(max_digits=6, decimal_places=3, null=True, blank=True)
    limit_s = models.FloatField(null=True, blank=True)
    source = models.CharField(max_length=10, blank=True, default="")
    reason = models.CharField(max_length=200, blank=True, default="")
    paused = models.BooleanField(default=False)
    answered = models.FloatField(null=True, blank=True)
    unanswered = models.FloatField(null=True, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    evaluated_at = models.DateTimeField(null=True, blank=True)
    standing: Any = models.JSONField(default=dict)

    class Meta:
        db_table = "runtime_indicator"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "environment", "stream", "target", "system_key"],
                name="indicator_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.target or self.system_key} in {self.environment}"


class ObjectiveChange(models.Model):
    """An objective as it was from `since` on, written when the one in force was seen to differ. Rows are only added."""

    indicator = models.ForeignKey(ServiceIndicator, on_delete=models.CASCADE, related_name="objectives")
    since = models.DateTimeField(db_default=Now())
    share = models.DecimalField(max_digits=6, decimal_places=3, null=True, blank=True)
    limit_s = models.FloatField(null=True, blank=True)
    source = models.CharField(max_length=10, blank=True)
    said = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "runtime_objective"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.indicator_id} from {self.since}: {self.share}"


class ObjectivePolicy(models.Model):
    """An objective that people set, for what it names; empty means any. Rows are only added: of two that name the same,
    the newest counts. Without a share it gives back to the manifest and the tier."""

    kind = models.CharField(max_length=12)
    integration = models.ForeignKey(
        "runtime.Integration", null=True, blank=True, on_delete=models.CASCADE, related_name="objective_policies"
    )
    target = models.CharField(max_length=80, blank=True, default="")
    system_key = models.CharField(max_length=80, blank=True, default="")
    environment = models.CharField(max_length=40, blank=True, default="")
    tier = models.PositiveSmallIntegerField(null=True, blank=True)
    share = models.DecimalField(max_digits=6, decimal_places=3, null=True, blank=True)
    limit_s = models.FloatField(null=True, blank=True)
    reason = models.TextField()
    set_at = models.DateTimeField(db_default=Now())
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "runtime_objectivepolicy"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.share}"


class IndicatorPeriod(models.Model):
    """Five minutes of one indicator, kept for some days: `looked` minutes, how much was `counted` and `good` (minutes,
    or messages), how much could be bad (`allowed`), what of the bad was while `paused`. `minutes` is a bit for each
    minute that was looked at, so that two schedulers and a clock that is set back count none twice. `pending` messages
    are judged later: the period is looked at again at `again_at`."""

    pk = models.CompositePrimaryKey("indicator_id", "begins")
    indicator = models.ForeignKey(ServiceIndicator, on_delete=models.CASCADE, db_index=False, related_name="periods")
    begins = models.DateTimeField()
    minutes = models.SmallIntegerField(db_default=0)
    looked = models.FloatField(db_default=0)
    counted = models.FloatField(db_default=0)
    good = models.FloatField(db_default=0)
    allowed = models.FloatField(db_default=0)
    paused = models.FloatField(db_default=0)
    pending = models.FloatField(db_default=0)
    histogram: Any = models.JSONField(null=True)
    again_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "runtime_indicatorperiod"
        indexes = [
            models.Index(fields=["begins"], name="indicator_period_by_time"),
            models.Index(
                fields=["again_at"], name="indicator_period_again", condition=models.Q(again_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.indicator_id} at {self.begins}"


class IndicatorDay(models.Model):
    """One day, in the organisation's time zone, of one indicator: the sums of its periods."""

    indicator = models.ForeignKey(ServiceIndicator, on_delete=models.CASCADE, db_index=False, related_name="days")
    day = models.DateField()
    looked = models.FloatField(db_default=0)
    counted = models.FloatField(db_default=0)
    good = models.FloatField(db_default=0)
    allowed = models.FloatField(db_default=0)
    paused = models.FloatField(db_default=0)
    pending = models.FloatField(db_default=0)
    histogram: Any = models.JSONField(null=True)

    class Meta:
        db_table = "runtime_indicatorday"
        constraints = [models.UniqueConstraint(fields=["indicator", "day"], name="indicator_day_once")]
        indexes = [models.Index(fields=["day"], name="indicator_day_by_time")]

    def __str__(self) -> str:
        return f"{self.indicator_id} on {self.day}"


class LaneMark(models.Model):
    """How far each lane of a stream was at the beginning of five minutes, by lane number: so the messages of some
    minutes are found by position, however long the log is."""

    pk = models.CompositePrimaryKey("stream_id", "begins")
    stream = models.ForeignKey("runtime.Stream", on_delete=models.CASCADE, db_index=False, related_name="+")
    begins = models.DateTimeField()
    following = ArrayField(models.BigIntegerField())

    class Meta:
        db_table = "runtime_lanemark"
        ordering = ["begins"]

    def __str__(self) -> str:
        return f"{self.stream_id} at {self.begins}"
