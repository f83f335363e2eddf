"""The sealed outcome, and the emergency way to one."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from governance.domain import limits
from governance.models.change import DIGEST, ChangeRequest


class BreakGlass(models.Model):
    """Two different people let one digest into one environment for at most
    `limits.BREAK_GLASS_HOURS`, and owe a review for it."""

    subject_kind = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=200)
    digest = models.CharField(max_length=DIGEST)
    environment = models.CharField(max_length=60)
    reason = models.TextField()
    owner_team_ids = ArrayField(models.IntegerField(), default=list, blank=True)
    hours = models.PositiveSmallIntegerField(default=limits.BREAK_GLASS_HOURS)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField(db_default=Now())
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    review_note = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "break-glass"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(confirmed_by=None) | ~models.Q(confirmed_by=models.F("opened_by")),
                name="break_glass_takes_two_people",
            ),
            models.CheckConstraint(
                condition=models.Q(confirmed_by=None, starts_at=None, ends_at=None)
                | models.Q(confirmed_by__isnull=False, starts_at__isnull=False, ends_at__gt=models.F("starts_at")),
                name="break_glass_window_when_confirmed",
            ),
            models.CheckConstraint(
                condition=models.Q(hours__gte=1, hours__lte=limits.BREAK_GLASS_HOURS),
                name="break_glass_at_most_four_hours",
            ),
            models.CheckConstraint(condition=models.Q(reason__regex=r"\S"), name="break_glass_needs_a_reason"),
            models.CheckConstraint(
                condition=models.Q(digest__regex=r"^sha256:[0-9a-f]{64}$"), name="break_glass_digest_is_sha256"
            ),
            models.CheckConstraint(
                condition=models.Q(reviewed_by=None)
                | (~models.Q(reviewed_by=models.F("opened_by")) & models.Q(confirmed_by__isnull=False)),
                name="break_glass_reviewed_by_another",
            ),
        ]

    def __str__(self) -> str:
        return f"Break-glass {self.subject_id} → {self.environment}"


class Approval(models.Model):
    """One approved subject in one environment. Inserted only when every slot is filled; immutable but for voiding.

    `filled_slots` is a list of `{"slot": id, "decision": id, "person": id}`, checked by the insert trigger; for a
    delegate also `right_of`, the delegator by whose right the person decided: nobody counts twice, in person or
    through a delegate. `valid_from` and `valid_until` bound its validity (None: until voided); `apply_from` and
    `apply_until` are the planned window in which it may be put into effect. `used_at` says when that happened.
    """

    class Origin(models.TextChoices):
        REVIEW = "review", "Review"
        BREAK_GLASS = "break_glass", "Break-glass"

    origin = models.CharField(max_length=12, choices=Origin.choices, default=Origin.REVIEW)
    change = models.ForeignKey(ChangeRequest, null=True, blank=True, on_delete=models.PROTECT, related_name="approvals")
    break_glass = models.OneToOneField(
        BreakGlass, null=True, blank=True, on_delete=models.PROTECT, related_name="approval"
    )
    revision = models.PositiveIntegerField(default=1)
    subject_kind = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=200)
    digest = models.CharField(max_length=DIGEST)
    environment = models.CharField(max_length=60)
    subject_digest = models.CharField(max_length=DIGEST, blank=True)
    diff_digest = models.CharField(max_length=DIGEST, blank=True)
    impact_digest = models.CharField(max_length=DIGEST, blank=True)
    policy_digest = models.CharField(max_length=DIGEST, blank=True)
    filled_slots: Any = models.JSONField(default=list)
    approver_ids = ArrayField(models.BigIntegerField(), default=list)
    sealed_at = models.DateTimeField(db_default=Now())
    valid_from = models.DateTimeField(db_default=Now())
    valid_until = models.DateTimeField(null=True, blank=True)
    apply_from = models.DateTimeField(null=True, blank=True)
    apply_until = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    used_by_text = models.CharField(max_length=200, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    void_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["change", "subject_kind", "subject_id"],
                condition=models.Q(voided_at=None, origin="review"),
                name="one_live_approval_per_subject",
            ),
            models.CheckConstraint(
                condition=models.Q(origin="review", change__isnull=False, break_glass=None)
                | models.Q(origin="break_glass", break_glass__isnull=False, change=None),
                name="approval_comes_from_somewhere",
            ),
        ]
        indexes = [
            models.Index(
                fields=["subject_kind", "subject_id", "environment", "digest"],
                name="approval_live_by_subject",
                condition=models.Q(voided_at=None),
            ),
            models.Index(fields=["change"], name="approval_live_by_change", condition=models.Q(voided_at=None)),
        ]

    def __str__(self) -> str:
        return f"Approval {self.pk}: {self.subject_id} → {self.environment}"
