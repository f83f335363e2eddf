"""A change request, what it is about, what it needs and what was said."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now

DIGEST = 71


class ChangeRequest(models.Model):
    """A proposal about one or more subjects. Its four digests are the present ones; decisions bind to them.

    Changing a digest voids decisions and approvals in the same statement (trigger `governance_change_moved`).
    `subject_digest` and `policy_digest` are computed by the database itself and cannot be written otherwise.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        IN_REVIEW = "in_review", "In review"
        APPROVED = "approved", "Approved"
        APPLIED = "applied", "Applied"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"

    class ChecksState(models.TextChoices):
        NONE = "none", "Not asked for"
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"

    kind = models.CharField(max_length=60)
    title = models.CharField(max_length=200)
    justification = models.TextField(blank=True)
    rollback_plan = models.TextField(blank=True)
    environment = models.CharField(max_length=60)
    parameters: Any = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.DRAFT)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="changes_written")
    submitter = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="changes_submitted"
    )
    revision = models.PositiveIntegerField(default=1)
    subject_digest = models.CharField(max_length=DIGEST, blank=True, default="")
    diff_digest = models.CharField(max_length=DIGEST, blank=True, default="")
    impact_digest = models.CharField(max_length=DIGEST, blank=True, default="")
    policy_digest = models.CharField(max_length=DIGEST, blank=True, default="")
    policy_levels = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    facts: Any = models.JSONField(default=dict, blank=True)
    difference: Any = models.JSONField(default=dict, blank=True)
    impact: Any = models.JSONField(null=True, blank=True)
    owner_team_ids = ArrayField(models.IntegerField(), default=list, blank=True)
    risk = models.CharField(max_length=8, default="unknown")
    planned_from = models.DateTimeField(null=True, blank=True)
    planned_until = models.DateTimeField(null=True, blank=True)
    checks_state = models.CharField(max_length=8, choices=ChecksState.choices, default=ChecksState.NONE)
    checks_done = models.PositiveIntegerField(default=0)
    checks_total = models.PositiveIntegerField(default=0)
    checks_as_of = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    submitted_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    apply_error = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["state", "-id"], name="change_by_state"),
            models.Index(fields=["author", "-id"], name="change_by_author"),
            models.Index(
                fields=["state", "planned_from"], name="change_to_apply", condition=models.Q(state="approved")
            ),
            GinIndex(fields=["policy_levels"], name="change_by_level"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(planned_from=None)
                | models.Q(planned_until=None)
                | models.Q(planned_from__lt=models.F("planned_until")),
                name="change_window_is_ordered",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["draft", "withdrawn"])
                | models.Q(submitter__isnull=False, submitted_at__isnull=False),
                name="change_beyond_draft_has_a_submitter",
            ),
        ]

    def __str__(self) -> str:
        return f"Change {self.pk}: {self.title}"


class ChangeSubject(models.Model):
    """One subject of a change, with the facts as they were read at the present revision."""

    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, related_name="subjects")
    position = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=200)
    digest = models.CharField(max_length=DIGEST)
    title = models.CharField(max_length=200, blank=True)
    url = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["change", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["change", "kind", "subject_id"], name="change_names_a_subject_once"),
            models.CheckConstraint(
                condition=models.Q(digest__regex=r"^sha256:[0-9a-f]{64}$"), name="change_subject_digest_is_sha256"
            ),
        ]
        indexes = [models.Index(fields=["kind", "subject_id"], name="change_by_subject")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}"


class Contributor(models.Model):
    """A person who had a hand in what is proposed, and therefore never decides on it."""

    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, related_name="contributors")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    how = models.CharField(max_length=80)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "person"], name="contributor_once")]

    def __str__(self) -> str:
        return f"{self.person} {self.how}"


class ChangeLink(models.Model):
    """Two changes that belong together, in one direction: `change` points to `other`."""

    change = models.ForeignKey(ChangeRequest, on_delete=models.CASCADE, related_name="links")
    other = models.ForeignKey(ChangeRequest, on_delete=models.CASCADE, related_name="linked_from")
    note = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["change", "other"], name="change_link_once"),
            models.CheckConstraint(condition=~models.Q(change=models.F("other")), name="change_links_to_another"),
        ]

    def __str__(self) -> str:
        return f"{self.change_id} → {self.other_id}"


class ChangeEvent(models.Model):
    """The timeline of a change: append-only."""

    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=40)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    text = models.TextField(blank=True)
    data: Any = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["change", "id"], name="change_timeline")]

    def __str__(self) -> str:
        return f"{self.kind} on change {self.change_id}"


class Slot(models.Model):
    """One approval that one person must give, derived from policy for one revision. Insert only.

    `group_ids` are the auth groups whose members may fill it; empty means that nobody can, and the change is never
    approved. `by_acceptance`: added when a difference was accepted as truly breaking, beside the slots of the policy.
    """

    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, related_name="slots")
    revision = models.PositiveIntegerField()
    key = models.CharField(max_length=80)
    label = models.CharField(max_length=120)
    number = models.PositiveSmallIntegerField(default=1)
    group_ids = ArrayField(models.IntegerField(), default=list)
    why = models.JSONField(default=list)
    policy_digest = models.CharField(max_length=DIGEST)
    by_acceptance = models.BooleanField(default=False, db_default=False)

    class Meta:
        ordering = ["change", "revision", "id"]
        constraints = [models.UniqueConstraint(fields=["change", "revision", "key", "number"], name="slot_number_once")]

    def __str__(self) -> str:
        return f"{self.label} {self.number}"


class CheckResult(models.Model):
    """The outcome of one required check for one revision. It starts as `not_run`, so that a check that did not run
    blocks.
    """

    class Status(models.TextChoices):
        PASSED = "passed", "Passed"
        FAILED = "failed", "Failed"
        NOT_APPLICABLE = "not_applicable", "Not applicable"
        NOT_RUN = "not_run", "Not run"

    change = models.ForeignKey(ChangeRequest, on_delete=models.PROTECT, related_name="check_results")
    revision = models.PositiveIntegerField()
    position = models.PositiveSmallIntegerField(default=0)
    check_id = models.CharField(max_length=100)
    title = models.CharField(max_length=200)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.NOT_RUN)
    why = models.TextField(blank=True)
    findings: Any = models.JSONField(default=list)
    fix: Any = models.JSONField(default=list)
    subject_digest = models.CharField(max_length=DIGEST)
    as_of = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["change", "revision", "position", "id"]
        constraints = [models.UniqueConstraint(fields=["change", "revision", "check_id"], name="check_result_once")]

    def __str__(self) -> str:
        return f"{self.check_id}: {self.status}"
