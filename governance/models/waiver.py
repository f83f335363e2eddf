"""Waivers: a rule set aside at one place, for a reason, for a while."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from governance.models.change import DIGEST


class Waiver(models.Model):
    """`rule` and `pointer` name exactly what is set aside; `subject_kind` and `subject_id` where, `application` for
    whom at the gate (empty: it settles findings of changes, and opens nothing there). It ends within
    `limits.WAIVER_DAYS` days.

    Granting needs a live approval of this waiver's digest (trigger). Granted waivers are immutable but for revoking.
    """

    class State(models.TextChoices):
        PROPOSED = "proposed", "Proposed"
        GRANTED = "granted", "Granted"
        REVOKED = "revoked", "Revoked"

    rule = models.CharField(max_length=100)
    pointer = models.CharField(max_length=500, blank=True)
    subject_kind = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=200)
    subject_digest = models.CharField(max_length=DIGEST, null=True)
    """What its approvers saw: at the gate, the contract of the version (empty: it had none) or the release of the
    integration; of a finding, the content that the change proposes. Null where the gate binds none (a freeze), and in
    waivers of before."""
    seen_findings = models.JSONField(null=True)
    """What the check had said at that place of that content, without `subject` and `line`. Null at the gate, where
    no check had said anything yet, and in waivers of before."""
    application = models.CharField(max_length=200, blank=True, db_default="", default="")
    environment = models.CharField(max_length=60)
    reason = models.TextField()
    starts_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.PROPOSED)
    digest = models.CharField(max_length=DIGEST)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(db_default=Now())
    granted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("starts_at")), name="waiver_ends_after_it_starts"),
            models.CheckConstraint(condition=Q(reason__regex=r"\S"), name="waiver_needs_a_reason"),
            models.CheckConstraint(condition=Q(rule__regex=r"\S"), name="waiver_names_a_rule"),
        ]
        indexes = [
            models.Index(
                fields=["subject_kind", "subject_id", "rule"], name="waiver_granted", condition=Q(state="granted")
            )
        ]

    def __str__(self) -> str:
        return f"Waiver {self.pk}: {self.rule} {self.pointer}"
