"""Applications, their dated subscriptions, and the usage that was reported of them."""

import pgtrigger
from django.conf import settings
from django.contrib.postgres.indexes import GistIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from catalog.models.apis import ApiVersion
from catalog.models.ownership import Team
from catalog.models.protection import never_deleted
from catalog.models.systems import Environment
from catalog.models.tallies import BEGINNING, counted

_AGENT_IS_DECLARED = """
if new.agent_account_id is not null then
  if new.team_id is null or new.agent_purpose !~ '\\S' or new.agent_limits !~ '\\S' then
    raise exception using errcode = 'check_violation', constraint = 'agent_is_declared',
      message = 'an agent has an owner team, a purpose and limits';
  end if;
  if not exists (select from kernel_user u where u.id = new.agent_account_id and u.kind = 'agent') then
    raise exception using errcode = 'check_violation', constraint = 'agent_is_declared',
      message = 'the account of an agent is one of the kind agent';
  end if;
end if;
return new;
"""


class Application(models.Model):
    """A consumer: a shop front, a till programme, an integration, an agent."""

    key = models.SlugField(max_length=100, unique=True)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="applications")
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True, blank=True)
    agent_account = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The application is an agent, and acts by the tokens of this account",
    )
    agent_purpose = models.TextField(blank=True, db_default="", help_text="What the agent is for")
    agent_limits = models.TextField(blank=True, db_default="", help_text="What it may do at most, in words")

    class Meta:
        ordering = ["name"]
        indexes = [GistIndex(fields=["key"], name="application_key_trigrams", opclasses=["gist_trgm_ops(siglen=256)"])]
        triggers = [
            never_deleted("application"),
            pgtrigger.Trigger(
                name="agent_is_declared",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert
                | pgtrigger.UpdateOf("agent_account_id", "agent_purpose", "agent_limits", "team_id"),
                func=_AGENT_IS_DECLARED,
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_agent(self) -> bool:
        return self.agent_account_id is not None


class Subscription(models.Model):
    """An application's dated use of one version in one environment, approved by the owner of the API."""

    class State(models.TextChoices):
        REQUESTED = "requested", "Waiting for the owner"
        ACTIVE = "active", "Active"
        REFUSED = "refused", "Refused"
        ENDED = "ended", "Ended"

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="subscriptions")
    version = models.ForeignKey(ApiVersion, on_delete=models.PROTECT, related_name="subscriptions")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.REQUESTED)
    justification = models.TextField(blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    requested_at = models.DateTimeField(db_default=Now())
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_note = models.TextField(blank=True)
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    moves_on = models.DateField(
        null=True, blank=True, help_text="The day on which this consumer has promised to be on the successor"
    )
    moves_to = models.ForeignKey(
        ApiVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The version that it moves to",
    )
    moves_said_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    moves_said_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "version", "environment"],
                condition=Q(state__in=["requested", "active"]),
                name="one_open_subscription",
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | Q(requested_by=None) | ~Q(decided_by=F("requested_by")),
                name="subscription_not_decided_by_requester",
            ),
            models.CheckConstraint(
                condition=Q(valid_from=None) | Q(valid_until=None) | Q(valid_from__lt=F("valid_until")),
                name="subscription_period_not_empty",
            ),
            models.CheckConstraint(
                condition=~Q(state="active") | Q(valid_from__isnull=False), name="active_subscription_is_dated"
            ),
        ]
        indexes = [
            models.Index(
                fields=["version", "environment"],
                name="subscription_by_version",
                condition=Q(state__in=["requested", "active"]),
            )
        ]
        triggers = [
            never_deleted("subscription"),
            *counted(("subscription", "version_id", "environment_id", f"date '{BEGINNING}'")),
        ]

    def __str__(self) -> str:
        return f"{self.application_id} uses {self.version_id} in {self.environment_id}"


class UsageBatch(models.Model):
    """A usage report that was taken in. The same report sent twice counts once."""

    reporter = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    batch_id = models.CharField(max_length=100)
    body_digest = models.CharField(max_length=71)
    rows = models.PositiveIntegerField()
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "usage batches"
        constraints = [
            models.UniqueConstraint(fields=["reporter", "batch_id"], nulls_distinct=False, name="usage_batch_once")
        ]

    def __str__(self) -> str:
        return self.batch_id


class UsageDay(models.Model):
    """Calls of one application to one version in one environment on one UTC day."""

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="usage")
    version = models.ForeignKey(ApiVersion, on_delete=models.PROTECT, related_name="usage")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    day = models.DateField()
    calls = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    p95_ms = models.PositiveIntegerField(null=True, blank=True)
    staleness_s = models.PositiveIntegerField(
        null=True, blank=True, help_text="Age of the oldest data that was answered with"
    )
    outage_s = models.PositiveIntegerField(null=True, blank=True, help_text="The longest time without a good answer")
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-day"]
        constraints = [
            models.UniqueConstraint(fields=["version", "environment", "application", "day"], name="usage_day_once"),
            models.CheckConstraint(
                condition=Q(calls__gte=0, errors__gte=0, errors__lte=F("calls")), name="usage_counts_make_sense"
            ),
        ]
        indexes = [models.Index(fields=["application", "environment", "day"], name="usage_by_application")]
        triggers = [
            pgtrigger.Protect(
                name="recent_usage_never_deleted",
                operation=pgtrigger.Delete,
                condition=pgtrigger.Condition("OLD.day > current_date - 60"),
            ),
            *counted(
                ("usage", "version_id", "environment_id", "day"), ("calls", "application_id", "environment_id", "day")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.application_id} called {self.version_id} {self.calls} times on {self.day}"
