"""What may run: integrations, their releases (one digest each), and which release is deployed where under which
approval."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Integration(models.Model):
    """A sync job by name. Its owner is a team (Django group)."""

    key = models.SlugField(max_length=80, unique=True)
    title = models.CharField(max_length=120)
    domain_key = models.CharField(max_length=80)
    owner_team = models.ForeignKey("auth.Group", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key


class Release(models.Model):
    """An integration at one digest. `manifest` is exactly what the digest covers; it is never changed (trigger)."""

    integration = models.ForeignKey(Integration, on_delete=models.PROTECT, related_name="releases")
    digest = models.CharField(max_length=71)
    manifest: Any = models.JSONField()
    tier = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["integration", "digest"], name="release_once_per_digest")]

    def __str__(self) -> str:
        return f"{self.integration.key}@{self.digest[7:15]}"


class Pin(models.Model):
    """An API version that a release depends on, at the contract digest that was approved with it."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="pins")
    role = models.CharField(max_length=80)
    reference = models.CharField(max_length=160)
    version_id = models.BigIntegerField()
    contract_digest = models.CharField(max_length=71)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["release", "role"], name="pin_once_per_role")]

    def __str__(self) -> str:
        return f"{self.role}: {self.reference}"


class EntityWrite(models.Model):
    """What a release writes where, as the claim judges it against the boundaries in force at that moment."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="writes")
    target = models.CharField(max_length=80)
    entity = models.CharField(max_length=80)
    attribute_group = models.CharField(max_length=80, null=True)
    kind = models.CharField(max_length=8, choices=[("replica", "Replica"), ("command", "Command")])
    scope: Any = models.JSONField(default=dict)
    source_system = models.CharField(max_length=80)
    target_system = models.CharField(max_length=80)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.entity} to {self.target_system}"


class Deployment(models.Model):
    """A release in one environment under one approval. At most one is active per integration and environment."""

    integration = models.ForeignKey(Integration, on_delete=models.PROTECT, related_name="deployments")
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="deployments")
    environment = models.CharField(max_length=40)
    approval = models.ForeignKey("governance.Approval", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=[("deploy", "Deploy"), ("rollback", "Rollback")], default="deploy")
    active = models.BooleanField(default=True)
    paused = models.BooleanField(default=False)
    pause_reason = models.TextField(blank=True)
    deployed_at = models.DateTimeField(db_default=Now())
    deployed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["integration", "environment"], condition=models.Q(active=True), name="deployment_one_active"
            ),
            models.CheckConstraint(
                condition=models.Q(active=True) ^ models.Q(ended_at__isnull=False), name="deployment_ended_or_active"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.release} in {self.environment}"


class ApprovedDestination(models.Model):
    """Where a system answered when a release was approved, by its digest: the claim compares it with where it answers
    now. Written by the database with the approval (runtime/sql/36_destinations.sql); "" is a system without an
    endpoint. `moved_by` is the later approval that let the system move."""

    approval = models.ForeignKey("governance.Approval", on_delete=models.PROTECT, related_name="+", db_index=False)
    system_key = models.CharField(max_length=80)
    environment = models.CharField(max_length=60)
    digest = models.CharField(max_length=71, blank=True)
    moved_by = models.ForeignKey(
        "governance.Approval", null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    bound_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["approval", "system_key"], name="destination_once_per_approval")]
        indexes = [models.Index(fields=["system_key", "environment"], name="destination_by_system")]

    def __str__(self) -> str:
        return f"{self.system_key} in {self.environment} @ {self.digest[7:15] or 'nowhere'}"
