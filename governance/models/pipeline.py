"""Pipelines at GitHub and GitLab that ask the gate by webhook: connections, what they are mapped to, what was asked."""

from __future__ import annotations

from typing import Any

import pgtrigger
from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

_CONNECTION_STAYS = """
if (new.key, new.provider, new.api_url, new.app_id, new.webhook_secret_ref, new.old_webhook_secret_ref,
    new.credential_ref, new.owner_team_id, new.wait_minutes, new.at_the_end, new.tells_reasons, new.proposed_by_id)
   is distinct from
   (old.key, old.provider, old.api_url, old.app_id, old.webhook_secret_ref, old.old_webhook_secret_ref,
    old.credential_ref, old.owner_team_id, old.wait_minutes, old.at_the_end, old.tells_reasons, old.proposed_by_id)
   or (old.confirmed_at is not null
       and (new.confirmed_at, new.confirmed_by_id) is distinct from (old.confirmed_at, old.confirmed_by_id))
   or (old.ended_at is not null and new.ended_at is distinct from old.ended_at) then
  raise exception using errcode = 'check_violation', constraint = 'pipeline_connection_stays',
    message = 'a pipeline connection is never rewritten; end it and propose another one';
end if;
return new;
"""
_MAPPING_STAYS = """
if (new.connection_id, new.repository_id, new.repository, new.place, new.application, new.environment,
    new.proposed_by_id)
   is distinct from
   (old.connection_id, old.repository_id, old.repository, old.place, old.application, old.environment,
    old.proposed_by_id)
   or (old.confirmed_at is not null
       and (new.confirmed_at, new.confirmed_by_id) is distinct from (old.confirmed_at, old.confirmed_by_id))
   or (old.ended_at is not null and new.ended_at is distinct from old.ended_at) then
  raise exception using errcode = 'check_violation', constraint = 'pipeline_mapping_stays',
    message = 'what a repository is mapped to is never rewritten; end it and propose another one';
end if;
return new;
"""


def _by(**more: Any) -> models.ForeignKey[Any, Any]:
    return models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", **more)


class PipelineConnection(models.Model):
    """One GitHub App, or one GitLab with its external status checks. It counts once a second person has confirmed it,
    and is never rewritten. Secrets are named, never stored."""

    class Provider(models.TextChoices):
        GITHUB = "github", "GitHub"
        GITLAB = "gitlab", "GitLab"

    class AtTheEnd(models.TextChoices):
        REJECT = "reject", "Reject it"
        LEAVE = "leave", "Leave it undecided"

    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80)
    provider = models.CharField(max_length=6, choices=Provider.choices)
    api_url = models.CharField(max_length=300)
    app_id = models.CharField(max_length=60, blank=True)
    webhook_secret_ref = models.CharField(max_length=200)
    old_webhook_secret_ref = models.CharField(max_length=200, blank=True)
    credential_ref = models.CharField(max_length=200)
    owner_team = models.ForeignKey(Group, on_delete=models.PROTECT, related_name="+")
    wait_minutes = models.PositiveIntegerField(default=60)
    at_the_end = models.CharField(max_length=6, choices=AtTheEnd.choices, default=AtTheEnd.REJECT)
    tells_reasons = models.BooleanField(default=True)
    proposed_by = _by()
    proposed_at = models.DateTimeField(db_default=Now())
    confirmed_by = _by(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    ended_by = _by(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    fault = models.CharField(max_length=300, blank=True)
    fault_at = models.DateTimeField(null=True, blank=True)
    refused_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(confirmed_by=None) | ~Q(confirmed_by=F("proposed_by")),
                name="pipeline_connection_by_two_people",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_at=None, confirmed_by=None)
                | Q(confirmed_at__isnull=False, confirmed_by__isnull=False),
                name="pipeline_connection_confirmed_by_somebody",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="pipeline_connection_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Trigger(
                name="pipeline_connection_stays",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                func=_CONNECTION_STAYS,
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PipelineMapping(models.Model):
    """What a repository and one of its places (an environment, or the branch that is merged into) stand for here. It
    counts once a second person has confirmed it. Several applications may come from one repository: each must be
    allowed."""

    connection = models.ForeignKey(PipelineConnection, on_delete=models.PROTECT, related_name="mappings")
    repository_id = models.BigIntegerField()
    repository = models.CharField(max_length=255)
    place = models.CharField(max_length=255)
    application = models.CharField(max_length=200)
    environment = models.CharField(max_length=60)
    proposed_by = _by()
    proposed_at = models.DateTimeField(db_default=Now())
    confirmed_by = _by(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    ended_by = _by(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["repository", "place", "application"]
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "repository_id", "place", "application"],
                condition=Q(ended_at=None),
                name="one_live_pipeline_mapping",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_by=None) | ~Q(confirmed_by=F("proposed_by")),
                name="pipeline_mapping_by_two_people",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_at=None, confirmed_by=None)
                | Q(confirmed_at__isnull=False, confirmed_by__isnull=False),
                name="pipeline_mapping_confirmed_by_somebody",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="pipeline_mapping_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Trigger(
                name="pipeline_mapping_stays", operation=pgtrigger.Update, when=pgtrigger.Before, func=_MAPPING_STAYS
            ),
        ]

    def __str__(self) -> str:
        return f"{self.repository} {self.place} → {self.application} in {self.environment}"


class PipelineReview(models.Model):
    """One decision that a provider asked for, and what became of it. `key` is made of signed parts of the webhook, so
    that another delivery of the same request is the same row."""

    class State(models.TextChoices):
        OPEN = "open", "To be answered"
        WAITING = "waiting", "Waits for the gate"
        ANSWERED = "answered", "Answered"
        UNDECIDED = "undecided", "Left undecided"
        OVERTAKEN = "overtaken", "Decided elsewhere"
        FAILED = "failed", "Could not be answered"

    connection = models.ForeignKey(PipelineConnection, on_delete=models.PROTECT, related_name="reviews")
    key = models.CharField(max_length=400)
    repository_id = models.BigIntegerField()
    repository = models.CharField(max_length=255)
    place = models.CharField(max_length=255)
    sha = models.CharField(max_length=64)
    ref = models.CharField(max_length=255)
    facts: Any = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    word = models.CharField(max_length=8, blank=True, help_text="passed, failed or pending, as it was last ruled")
    why = models.CharField(max_length=500, blank=True)
    verdict_ids = ArrayField(models.BigIntegerField(), default=list)
    seen = models.BigIntegerField(default=0, help_text="The newest verdict of all when it was last ruled")
    ruled_at = models.DateTimeField(null=True, blank=True)
    sent = models.CharField(max_length=8, blank=True, help_text="The word of a call whose answer is not known")
    reported = models.CharField(max_length=64, blank=True, help_text="Digest of the last status report")
    reports = models.PositiveSmallIntegerField(default=0)
    asked = models.PositiveIntegerField(default=0, help_text="Times that the gate did not know")
    attempts = models.PositiveIntegerField(default=0, help_text="Calls in a row that were not taken")
    next_at = models.DateTimeField(db_default=Now())
    waits_until = models.DateTimeField()
    last_status = models.PositiveIntegerField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["connection", "key"], name="one_review_of_a_pipeline")]
        indexes = [
            models.Index(fields=["next_at"], name="pipeline_review_due", condition=Q(state__in=["open", "waiting"])),
            models.Index(fields=["connection", "-id"], name="pipeline_review_newest"),
            # what retention takes
            models.Index(fields=["ended_at"], name="pipeline_review_ended", condition=Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.repository} {self.sha[:12]} → {self.place}"


class PipelineDelivery(models.Model):
    """One webhook that was well signed, by the digest of its bytes; the bytes are not kept. `times`: how often it
    came."""

    class Outcome(models.TextChoices):
        TAKEN = "taken", "Taken"
        IGNORED = "ignored", "Asks for nothing"
        REFUSED = "refused", "Refused"

    connection = models.ForeignKey(PipelineConnection, on_delete=models.PROTECT, related_name="deliveries")
    digest = models.CharField(max_length=71)
    delivery_id = models.CharField(max_length=64, blank=True)
    event = models.CharField(max_length=60, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    why = models.CharField(max_length=500, blank=True)
    review = models.ForeignKey(
        PipelineReview, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries"
    )
    times = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField(db_default=Now())
    last_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "pipeline deliveries"
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["connection", "digest"], name="pipeline_webhook_once")]
        indexes = [models.Index(fields=["last_at"], name="pipeline_webhook_by_age")]  # what retention takes

    def __str__(self) -> str:
        return f"{self.event} {self.outcome}"
