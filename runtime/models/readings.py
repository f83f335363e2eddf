"""Reading a source again: planned first, so that people decide on a stated place to begin at."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from runtime.models.log import Stream
from runtime.models.operation import Run


class ReadAgain(models.Model):
    """A plan to set the cursor of a source back and to read from there.

    `source` is the name of one source of the integration, empty for all of them. `since` is the moment to begin at,
    None for the start. `messages`: how many keys of the stream are compared again, as counted when it was planned (at
    most `COUNTED` + 1). `digest` is what approvers decide on. `cursor_before` is what the cursor was before.
    """

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        STARTED = "started", "Started"
        CANCELLED = "cancelled", "Cancelled"

    stream = models.ForeignKey(Stream, on_delete=models.PROTECT, related_name="readings")
    source = models.CharField(max_length=80, blank=True, default="")
    since = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.PLANNED)
    messages = models.BigIntegerField()
    needs_approval = models.BooleanField(default=False)
    digest = models.CharField(max_length=71, blank=True, default="")
    reason = models.TextField()
    planned_at = models.DateTimeField(db_default=Now())
    planned_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    cursor_before: Any = models.JSONField(null=True, blank=True)
    run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="reads_again")
    approval = models.ForeignKey("governance.Approval", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["digest"], name="read_again_by_digest")]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="started") | models.Q(started_at__isnull=False),
                name="read_again_started_has_time",
            )
        ]

    def __str__(self) -> str:
        return f"reading {self.stream_id} again"
