"""Where vendors send their webhooks, what came there, what they told of changes, and which numbers are missing."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Hook(models.Model):
    """The address of one source in one environment, `/hooks/<key>`, and by which secrets its calls are known: the
    present one, and while it is changed the one before. `public_url` is the address as the vendor has it, where it
    signs that as well. Ended ones stay for the record. The rest is what was seen last."""

    integration = models.ForeignKey("runtime.Integration", on_delete=models.PROTECT, related_name="hooks")
    environment = models.CharField(max_length=40)
    source = models.CharField(max_length=80)
    key = models.SlugField(max_length=60, unique=True)
    secret_ref = models.CharField(max_length=160)
    old_secret_ref = models.CharField(max_length=160, blank=True)
    public_url = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    event_at = models.DateTimeField(null=True, blank=True)
    unsigned_at = models.DateTimeField(null=True, blank=True)
    unsigned_why = models.CharField(max_length=300, blank=True)
    fault_at = models.DateTimeField(null=True, blank=True)
    fault = models.CharField(max_length=300, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)
    fetched_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["integration", "environment", "source"],
                condition=models.Q(ended_at__isnull=True),
                name="hook_once_per_source",
            )
        ]

    def __str__(self) -> str:
        return f"{self.integration_id}/{self.source} in {self.environment}"


class HookEvent(models.Model):
    """One event by the vendor's id, or by the digest of its bytes where it gives none and nothing was made of it.
    `times`: how often it came."""

    hook = models.ForeignKey(Hook, on_delete=models.CASCADE, related_name="events")
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=71)
    outcome = models.CharField(max_length=10)
    why = models.CharField(max_length=500, blank=True)
    times = models.PositiveIntegerField(default=1)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["hook", "name", "digest"], name="hook_event_once")]
        indexes = [models.Index(fields=["hook", "-at"], name="hook_event_by_time")]

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"


class HookNotice(models.Model):
    """Something has changed at the source, by its key, and is to be read. Notices of one key that wait are one."""

    hook = models.ForeignKey(Hook, on_delete=models.CASCADE, related_name="notices")
    key = models.CharField(max_length=200)
    noted_at = models.DateTimeField(db_default=Now())
    times = models.PositiveIntegerField(default=1)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["hook", "key"], condition=models.Q(read_at__isnull=True), name="hook_notice_waits_once"
            )
        ]
        indexes = [models.Index(fields=["read_at"], name="hook_notice_by_reading")]

    def __str__(self) -> str:
        return f"{self.key} of {self.hook_id}"


class HookSequence(models.Model):
    """Numbers of one resource's events: the highest that came, and which below it have not, as `[[first, last], …]`.
    `gap_at`: since when something is missing; `told_at`: when that was said."""

    hook = models.ForeignKey(Hook, on_delete=models.CASCADE, related_name="sequences")
    resource = models.CharField(max_length=200)
    highest = models.BigIntegerField()
    missing = models.JSONField(default=list)
    at = models.DateTimeField(db_default=Now())
    gap_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["hook", "resource"], name="hook_sequence_once")]
        indexes = [
            models.Index(fields=["gap_at"], condition=models.Q(gap_at__isnull=False), name="hook_sequence_with_gap"),
            models.Index(fields=["at"], name="hook_sequence_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.resource}: {self.highest}"
