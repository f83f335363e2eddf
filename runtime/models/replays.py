"""Replays: what shall be delivered again, planned first, so that people decide on exact positions and not on an
intention."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from runtime.models.subscriptions import TargetSubscription


class Replay(models.Model):
    """A plan to deliver stored messages of one target again.

    `spans` is `{lane: [first, last]}`, fixed when the plan is made; with `key_from` and `key_to` only keys between them
    count (keys that begin with `key_to` included, empty: no bound). `messages` counts what was chosen. `subscription`
    has the progress of the replay itself, `trial` that of its latest dry run. `digest` is what approvers decide on.
    """

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"

    target = models.ForeignKey(TargetSubscription, on_delete=models.PROTECT, related_name="plans")
    subscription = models.OneToOneField(TargetSubscription, null=True, on_delete=models.PROTECT, related_name="replay")
    trial = models.OneToOneField(TargetSubscription, null=True, on_delete=models.PROTECT, related_name="replay_trial")
    state = models.CharField(max_length=9, choices=State.choices, default=State.PLANNED)
    since = models.DateTimeField()
    until = models.DateTimeField()
    key_from = models.TextField(blank=True, default="")
    key_to = models.TextField(blank=True, default="")
    spans: Any = models.JSONField()
    messages = models.BigIntegerField()
    pace = models.FloatField(null=True, blank=True)
    digest = models.CharField(max_length=71, blank=True, default="")
    reason = models.TextField()
    planned_at = models.DateTimeField(db_default=Now())
    planned_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)
    approval = models.ForeignKey("governance.Approval", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["digest"], name="replay_by_digest")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="planned")
                | models.Q(state="cancelled")
                | models.Q(subscription__isnull=False),
                name="replay_started_has_progress",
            ),
            models.CheckConstraint(condition=models.Q(messages__gt=0), name="replay_not_empty"),
        ]

    def __str__(self) -> str:
        return f"replay {self.pk} of {self.target_id}"
