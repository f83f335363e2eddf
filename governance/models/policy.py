"""Policies as versioned data."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from governance.models.change import DIGEST


class Policy(models.Model):
    """One version of the policy of one level. `level` is `organisation`, `domain:<key>` or `team:<key>`.

    The document never changes once written (trigger); a new version is a new row, made active by an approved
    `policy.change`. Activating one changes the policy digest of each open change at that level, which voids its
    decisions.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ACTIVE = "active", "Active"
        SUPERSEDED = "superseded", "Superseded"

    level = models.CharField(max_length=80)
    version = models.PositiveIntegerField()
    document: Any = models.JSONField()
    digest = models.CharField(max_length=DIGEST)
    state = models.CharField(max_length=12, choices=State.choices, default=State.DRAFT)
    summary = models.CharField(max_length=200, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    activated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["level", "-version"]
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=["level", "version"], name="policy_version_once"),
            models.UniqueConstraint(
                fields=["level"], condition=models.Q(state="active"), name="one_active_policy_per_level"
            ),
        ]

    def __str__(self) -> str:
        return f"Policy {self.level} {self.version}"
