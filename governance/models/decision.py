"""What people decided, and which breaking findings they accepted as what."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from governance.models.change import DIGEST, ChangeRequest

RETRACTED = (
    "retracted",
    "taken back",
)  # the void reason of a retracted decision; rows of older releases have the second


class Decision(models.Model):
    """One person's decision on one revision, bound to the four digests that the person saw. Append-only except for
    voiding.
    """

    class Outcome(models.TextChoices):
        APPROVE = "approve", "Approved"
        REQUEST_CHANGES = "request_changes", "Changes requested"
        REJECT = "reject", "Rejected"

    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, related_name="decisions")
    revision = models.PositiveIntegerField()
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="decisions")
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    note = models.TextField(blank=True)
    subject_digest = models.CharField(max_length=DIGEST)
    diff_digest = models.CharField(max_length=DIGEST)
    impact_digest = models.CharField(max_length=DIGEST)
    policy_digest = models.CharField(max_length=DIGEST)
    at = models.DateTimeField(db_default=Now())
    voided_at = models.DateTimeField(null=True, blank=True)
    void_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["change", "person"], condition=models.Q(voided_at=None), name="one_live_decision_per_person"
            ),
            models.CheckConstraint(
                condition=models.Q(outcome="approve") | models.Q(note__regex=r"\S"), name="refusing_needs_a_reason"
            ),
        ]
        indexes = [models.Index(fields=["person", "-id"], name="decision_by_person")]

    def __str__(self) -> str:
        return f"{self.person} {self.outcome} change {self.change_id}"


class BreakAcceptance(models.Model):
    """A breaking finding about one subject that an entitled person accepted in one of four ways, for one difference.

    `applications`: those that it reaches; of a truly breaking one their owners have to approve. Rows of before it was
    kept have no subject and no applications: they are about the only subject of their change, and all that it reaches.
    """

    class Kind(models.TextChoices):
        BENIGN = "benign", "Benign: nobody can notice"
        CORRECTION = "correction", "Correction of the document"
        NO_CONSUMERS = "no_consumers", "No consumers use it"
        BREAKING = "breaking", "Truly breaking, with a migration date"

    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, related_name="acceptances")
    revision = models.PositiveIntegerField()
    rule = models.CharField(max_length=100)
    pointer = models.CharField(max_length=500)
    subject_kind = models.CharField(max_length=60, blank=True, db_default="")
    subject_id = models.CharField(max_length=200, blank=True, db_default="")
    applications: Any = models.JSONField(null=True, blank=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    reason = models.TextField()
    migrate_by = models.DateField(null=True, blank=True)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    group_ids_needed = models.JSONField(default=list)
    diff_digest = models.CharField(max_length=DIGEST)
    at = models.DateTimeField(db_default=Now())
    voided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["change", "subject_kind", "subject_id", "rule", "pointer"],
                condition=models.Q(voided_at=None),
                name="one_live_acceptance_per_finding",
            ),
            models.CheckConstraint(condition=models.Q(reason__regex=r"\S"), name="acceptance_needs_a_reason"),
            models.CheckConstraint(
                condition=~models.Q(kind="breaking") | models.Q(migrate_by__isnull=False),
                name="truly_breaking_needs_a_date",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.pointer} accepted as {self.kind}"

    @property
    def about(self) -> str:
        """The subject as findings name it, such as `version price-api@v2`; "" of rows that name none."""
        return f"{self.subject_kind} {self.subject_id}".strip()
