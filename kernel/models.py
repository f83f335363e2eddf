"""Tables that belong to no business room: people, their tokens, the audit ledger, the outbox, what processes count."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now


class User(AbstractUser):
    """A person, or the service account of a pipeline. Owners and approvers are groups of these, never free text."""

    class Kind(models.TextChoices):
        PERSON = "person", "Person"
        SERVICE = "service", "Service account"

    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.PERSON)
    # Groups that were read together with the token of the present request; None where they were not.
    team_ids_read: frozenset[int] | None = None

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class ApiToken(models.Model):
    """A bearer token. Only its SHA-256 is stored; `prefix` lets people recognise it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    token_hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # What was read in the same query (`kernel.tokens.ReadWithToken`): what was asked, and the row.
    read_along: tuple[object, tuple[Any, ...]] | None = None

    class Meta:
        verbose_name = "API token"
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")), name="token_expires_after_creation"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEntry(models.Model):
    """One fact of the ledger: who did what to which subject. Insert only, held by a trigger; chained by `AuditLink`."""

    at = models.DateTimeField(db_default=Now(), db_index=True)
    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    actor_text = models.CharField(max_length=200)
    verb = models.CharField(max_length=100, db_index=True)
    subject_kind = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=120)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["subject_kind", "subject_id", "-id"], name="audit_by_subject")]

    def __str__(self) -> str:
        return f"{self.actor_text} {self.verb} {self.subject_kind} {self.subject_id}"


class AuditLink(models.Model):
    """The hash chain over the ledger, written by a deferred trigger at commit, so that links follow commit order."""

    position = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(AuditEntry, on_delete=models.PROTECT, related_name="link")
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.position}: {self.hash[:8]}"


class OutboxEvent(models.Model):
    """Something that happened and that others must hear of; written in the transaction of the fact itself."""

    topic = models.CharField(max_length=100)
    key = models.CharField(max_length=200)
    payload: Any = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    available_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["available_at", "id"], name="outbox_open", condition=models.Q(done_at=None, failed_at=None)
            ),
            GinIndex(fields=["payload"], name="outbox_payload", opclasses=["jsonb_path_ops"]),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.key}"


class ProcessMetrics(models.Model):
    """What one process has counted since it began (`kernel.process_measures`); `ended` holds the sum of those that are
    gone. Written every few seconds, read at a scrape."""

    process = models.CharField(primary_key=True, max_length=160)
    started_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now())
    counted: Any = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "process metrics"

    def __str__(self) -> str:
        return self.process
