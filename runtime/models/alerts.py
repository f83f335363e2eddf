"""Alert rules as people set them, what fires now, alerts with their history, and silences."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class AlertRule(models.Model):
    """When people are told of which indicators, and how. Empty and null in the scope mean any. `long` and `short` are
    windows in minutes. `inbox`: a notice to the owners and to `teams`; `email`: the notice by e-mail as well;
    `webhook`: to every receiver of `runtime.alert_*`."""

    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=12, blank=True, default="")
    integration = models.ForeignKey(
        "runtime.Integration", null=True, blank=True, on_delete=models.CASCADE, related_name="alert_rules"
    )
    target = models.CharField(max_length=80, blank=True, default="")
    system_key = models.CharField(max_length=80, blank=True, default="")
    environment = models.CharField(max_length=40, blank=True, default="")
    tier = models.PositiveSmallIntegerField(null=True, blank=True)
    condition = models.CharField(max_length=12)
    factor = models.FloatField(default=0)
    long = models.PositiveIntegerField(default=60)
    short = models.PositiveIntegerField(default=5)
    at_least = models.FloatField(default=2)
    below = models.FloatField(default=0)
    for_minutes = models.PositiveIntegerField(default=0)
    severity = models.CharField(max_length=8)
    inbox = models.BooleanField(default=True)
    email = models.BooleanField(default=True)
    webhook = models.BooleanField(default=True)
    teams = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    enabled = models.BooleanField(default=True)
    made_at = models.DateTimeField(db_default=Now())
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Alert(models.Model):
    """One trouble, however many rules and indicators it shows in. At most one is open per cause. `told` is the rank of
    the greatest severity that people were told of, 0 before. `joined`: it became a part of another one."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        RESOLVED = "resolved", "Resolved"
        JOINED = "joined", "Part of another alert"

    cause = models.CharField(max_length=200)
    kind = models.CharField(max_length=10)
    environment = models.CharField(max_length=40, blank=True, default="")
    stream = models.ForeignKey("runtime.Stream", null=True, blank=True, on_delete=models.CASCADE, related_name="alerts")
    target = models.CharField(max_length=80, blank=True, default="")
    system_key = models.CharField(max_length=80, blank=True, default="")
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    severity = models.CharField(max_length=8)
    title = models.CharField(max_length=250)
    told = models.PositiveSmallIntegerField(default=0)
    inbox = models.BooleanField(default=False)
    email = models.BooleanField(default=False)
    webhook = models.BooleanField(default=False)
    teams = ArrayField(models.CharField(max_length=80), default=list)
    opened_at = models.DateTimeField(db_default=Now())
    resolved_at = models.DateTimeField(null=True, blank=True)
    acknowledged_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["cause"], condition=models.Q(state="open"), name="alert_once_open")
        ]
        indexes = [
            models.Index(fields=["stream", "-id"], name="alert_by_stream"),
            # what retention takes
            models.Index(fields=["resolved_at"], name="alert_resolved", condition=models.Q(resolved_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.title


class AlertSignal(models.Model):
    """A rule whose condition holds for an indicator, since when and until when last; without one, for the front
    door."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="signals")
    indicator = models.ForeignKey(
        "runtime.ServiceIndicator", null=True, on_delete=models.CASCADE, related_name="signals"
    )
    alert = models.ForeignKey(Alert, null=True, blank=True, on_delete=models.SET_NULL, related_name="signals")
    since = models.DateTimeField()
    last_at = models.DateTimeField()
    text = models.CharField(max_length=250, blank=True, default="")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "indicator"], name="alert_signal_once"),
            models.UniqueConstraint(
                fields=["rule"], condition=models.Q(indicator=None), name="alert_signal_of_front_once"
            ),
        ]

    def __str__(self) -> str:
        return self.text


class AlertEntry(models.Model):
    """What happened to an alert, by whom and why."""

    class Verb(models.TextChoices):
        OPENED = "opened", "Opened"
        TOLD = "told", "Told"
        SILENT = "silent", "Not told: silenced"
        RAISED = "raised", "Became more severe"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        AGAIN = "again", "Acknowledgement ended, told again"
        JOINED = "joined", "Became a part of another alert"
        RESOLVED = "resolved", "Resolved"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="entries")
    at = models.DateTimeField(db_default=Now())
    verb = models.CharField(max_length=12, choices=Verb.choices)
    text = models.TextField(blank=True, default="")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    more: Any = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "alert entries"

    def __str__(self) -> str:
        return f"{self.alert_id} {self.verb}"


class AlertSilence(models.Model):
    """Nobody is told of what it names until `until`; alerts are kept all the same. Empty and null mean any."""

    kind = models.CharField(max_length=12, blank=True, default="")
    integration = models.ForeignKey(
        "runtime.Integration", null=True, blank=True, on_delete=models.CASCADE, related_name="alert_silences"
    )
    target = models.CharField(max_length=80, blank=True, default="")
    system_key = models.CharField(max_length=80, blank=True, default="")
    environment = models.CharField(max_length=40, blank=True, default="")
    tier = models.PositiveSmallIntegerField(null=True, blank=True)
    since = models.DateTimeField(db_default=Now())
    until = models.DateTimeField()
    reason = models.TextField()
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"silence until {self.until}"
