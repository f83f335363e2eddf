"""What was observed of a version: which operations an application calls, and where traffic and contract differ."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from catalog.models.apis import ApiVersion, Contract
from catalog.models.consumers import Application
from catalog.models.systems import Environment


class OperationUse(models.Model):
    """Calls of one application to one operation of a version in one environment, added up since the first report.

    Only operations that the contract of the version lists are kept, so that their number is bounded.
    """

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(ApiVersion, on_delete=models.PROTECT, related_name="+")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    operation = models.CharField(max_length=300, help_text='As the contract names it: "POST /orders"')
    calls = models.BigIntegerField(default=0)
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-last_seen_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "environment", "application", "operation"], name="operation_use_once"
            ),
            models.CheckConstraint(condition=Q(calls__gte=0), name="operation_calls_make_sense"),
        ]

    def __str__(self) -> str:
        return f"{self.application_id} called {self.operation} of {self.version_id} {self.calls} times"


class DriftReport(models.Model):
    """Where recorded traffic and the contract of a version differ, as one observer handed it in. Written once.

    `differences` holds names, types and values of closed lists, never other content of a message.
    """

    class Source(models.TextChoices):
        HAR = "har", "HTTP archive"
        JSON_LINES = "jsonl", "JSON Lines"
        RUNTIME = "runtime", "Messages of the runtime"

    version = models.ForeignKey(ApiVersion, on_delete=models.PROTECT, related_name="drift_reports")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="+")
    report_id = models.CharField(max_length=100)
    body_digest = models.CharField(max_length=71)
    source = models.CharField(max_length=10, choices=Source.choices)
    observed_from = models.DateTimeField()
    observed_until = models.DateTimeField()
    exchanges = models.PositiveBigIntegerField(help_text="Exchanges or messages that were compared with the contract")
    skipped = models.PositiveBigIntegerField(default=0, help_text="Exchanges that could not be compared")
    bodies = models.PositiveBigIntegerField(
        null=True, help_text="Bodies that were compared; none in reports of observers that did not count them"
    )
    unread_bodies = models.PositiveBigIntegerField(
        null=True, help_text="Bodies that the contract describes and that were not readable, or not recorded"
    )
    operations_known = models.PositiveIntegerField(default=0)
    operations_seen = models.PositiveIntegerField(default=0)
    differences = models.JSONField(default=list, blank=True)
    left_out = models.PositiveIntegerField(default=0, help_text="Differences beyond those that are kept")
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-observed_until", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["version", "report_id"], name="drift_report_once"),
            models.CheckConstraint(
                condition=Q(observed_from__lte=models.F("observed_until")), name="drift_observed_in_order"
            ),
        ]
        indexes = [models.Index(fields=["version", "-observed_until"], name="drift_newest")]
        triggers = [pgtrigger.Protect(name="drift_report_never_changed", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"{self.version_id} observed until {self.observed_until:%Y-%m-%d}"
