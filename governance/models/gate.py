"""What the gate said, and what runs where."""

from __future__ import annotations

from typing import Any

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now

from governance.models.change import DIGEST


class Verdict(models.Model):
    """A stored answer with everything it was made from. Insert only; `answer` holds the very bytes that were given."""

    at = models.DateTimeField(db_default=Now())
    as_of = models.DateTimeField()
    word = models.CharField(max_length=8)
    application = models.CharField(max_length=200)
    version = models.CharField(max_length=200)
    environment = models.CharField(max_length=60)
    codes = ArrayField(models.CharField(max_length=80), default=list)
    question: Any = models.JSONField()
    evidence: Any = models.JSONField()
    answer = models.TextField()
    input_digest = models.CharField(max_length=DIGEST, db_index=True)
    policy_digest = models.CharField(max_length=DIGEST, blank=True)
    engine = models.PositiveSmallIntegerField(default=1)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    names = ArrayField(models.CharField(max_length=100), null=True)
    """The APIs that it names; null in verdicts of before they were written down, which are read instead."""

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["application", "environment", "-id"], name="verdict_by_application")]

    def __str__(self) -> str:
        return f"Verdict {self.pk}: {self.word} {self.application}@{self.version} → {self.environment}"


class ReleaseTally(models.Model):
    """How many live records there are for an application, or for an API that they provide, in one environment; and how
    many freezes were ever planned, in one row without environment and name.

    Triggers count them, so that a record or a freeze that vanished shows: the gate says `unknown` where rows and count
    disagree.
    """

    class Kind(models.TextChoices):
        APPLICATION = "application", "Application"
        API = "api", "Provided API"
        FREEZE = "freeze", "Planned freezes"

    environment = models.CharField(max_length=60)
    kind = models.CharField(max_length=11, choices=Kind.choices)
    name = models.CharField(max_length=200)
    live = models.IntegerField()

    class Meta:
        ordering = ["environment", "kind", "name"]
        constraints = [models.UniqueConstraint(fields=["environment", "kind", "name"], name="one_release_tally")]
        triggers = [pgtrigger.Protect(name="tally_never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.kind} {self.name} in {self.environment}: {self.live}"


_CONTENT_STAYS = """
if (new.application, new.version, new.environment, new.instance, new.mode, new.consumes, new.provides,
    new.provided_apis, new.integrations, new.recorded_at, new.provided_contracts)
   is distinct from
   (old.application, old.version, old.environment, old.instance, old.mode, old.consumes, old.provides,
    old.provided_apis, old.integrations, old.recorded_at, old.provided_contracts)
   or (old.ended_at is not null and new.ended_at is distinct from old.ended_at) then
  raise exception using errcode = 'check_violation', constraint = 'release_content_stays',
    message = 'a record of what runs is never rewritten; record what runs now';
end if;
return new;
"""

_TALLY = """
if tg_op = 'UPDATE' and (old.ended_at is null) = (new.ended_at is null) then
  return null;
end if;
if tg_op = 'INSERT' and new.ended_at is not null then
  return null;
end if;
insert into governance_releasetally as t (environment, kind, name, live)
select new.environment, counted.kind, counted.name, case tg_op when 'INSERT' then 1 else -1 end
  from (select 'application' as kind, new.application as name
        union
        select 'api', unnest(new.provided_apis)) counted
 order by counted.kind, counted.name
on conflict (environment, kind, name) do update set live = t.live + excluded.live;
return null;
"""


class ApplicationRelease(models.Model):
    """An application version that runs on an instance (`deployed`, replaced by the next) or is supported beside
    others (`released`).
    """

    class Mode(models.TextChoices):
        DEPLOYED = "deployed", "Deployed"
        RELEASED = "released", "Released"

    class Ending(models.TextChoices):
        REPLACED = "replaced", "Replaced by another version"
        UNDEPLOYED = "undeployed", "Taken away"
        SUPPORT = "support", "Support ended"

    application = models.CharField(max_length=200)
    version = models.CharField(max_length=200)
    environment = models.CharField(max_length=60)
    instance = models.CharField(max_length=120, blank=True)
    mode = models.CharField(max_length=8, choices=Mode.choices)
    consumes = ArrayField(models.CharField(max_length=200), default=list)
    provides = ArrayField(models.CharField(max_length=200), default=list)
    provided_apis = ArrayField(models.CharField(max_length=200), default=list)
    integrations = ArrayField(models.CharField(max_length=300), default=list)
    provided_contracts = ArrayField(models.CharField(max_length=DIGEST), null=True)
    """The digest of the contract that each of `provides` runs with, in the same order, empty where the version has
    none; null in records of before they were kept."""
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    ended_how = models.CharField(max_length=12, choices=Ending.choices, blank=True, db_default="")
    ended_against_gate = models.BooleanField(
        db_default=False, help_text="It was taken away although somebody used what it provides"
    )
    verdict = models.ForeignKey(Verdict, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    against_gate = models.BooleanField(
        db_default=False, help_text="The last verdict about this version there, on the day it went live, was deny"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "environment", "instance"],
                condition=models.Q(mode="deployed", ended_at=None),
                name="one_deployed_version_per_instance",
            ),
            models.UniqueConstraint(
                fields=["application", "version", "environment", "instance"],
                condition=models.Q(mode="released", ended_at=None),
                name="one_live_release_per_instance",
            ),
        ]
        indexes = [
            models.Index(fields=["application", "environment"], name="release_live", condition=models.Q(ended_at=None)),
            GinIndex(fields=["provides"], name="release_provides", condition=models.Q(ended_at=None)),
            GinIndex(fields=["consumes"], name="release_consumes", condition=models.Q(ended_at=None)),
            GinIndex(fields=["provided_apis"], name="release_provided_apis"),
            models.Index(fields=["-id"], name="release_against_gate", condition=models.Q(against_gate=True)),
            models.Index(
                fields=["against_gate", "environment", "application", "instance", "id"],
                name="release_live_places",
                condition=models.Q(ended_at=None),
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="release_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Trigger(
                name="release_content_stays", operation=pgtrigger.Update, when=pgtrigger.Before, func=_CONTENT_STAYS
            ),
            pgtrigger.Trigger(
                name="release_tally", operation=pgtrigger.Insert | pgtrigger.Update, when=pgtrigger.After, func=_TALLY
            ),
        ]

    def __str__(self) -> str:
        return f"{self.application} {self.version} {self.mode} in {self.environment}"
