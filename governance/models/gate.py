"""What the gate said, and what runs where."""

from __future__ import annotations

from typing import Any

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

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["application", "environment", "-id"], name="verdict_by_application")]

    def __str__(self) -> str:
        return f"Verdict {self.pk}: {self.word} {self.application}@{self.version} → {self.environment}"


class ApplicationRelease(models.Model):
    """An application version that runs on an instance (`deployed`, replaced by the next) or is supported beside
    others (`released`).
    """

    class Mode(models.TextChoices):
        DEPLOYED = "deployed", "Deployed"
        RELEASED = "released", "Released"

    application = models.CharField(max_length=200)
    version = models.CharField(max_length=200)
    environment = models.CharField(max_length=60)
    instance = models.CharField(max_length=120, blank=True)
    mode = models.CharField(max_length=8, choices=Mode.choices)
    consumes = ArrayField(models.CharField(max_length=200), default=list)
    provides = ArrayField(models.CharField(max_length=200), default=list)
    provided_apis = ArrayField(models.CharField(max_length=200), default=list)
    integrations = ArrayField(models.CharField(max_length=300), default=list)
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    verdict = models.ForeignKey(Verdict, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "environment", "instance"],
                condition=models.Q(mode="deployed", ended_at=None),
                name="one_deployed_version_per_instance",
            ),
            models.UniqueConstraint(
                fields=["application", "version", "environment"],
                condition=models.Q(mode="released", ended_at=None),
                name="one_live_release_per_version",
            ),
        ]
        indexes = [
            models.Index(fields=["application", "environment"], name="release_live", condition=models.Q(ended_at=None)),
            GinIndex(fields=["provides"], name="release_provides", condition=models.Q(ended_at=None)),
            GinIndex(fields=["consumes"], name="release_consumes", condition=models.Q(ended_at=None)),
            GinIndex(fields=["provided_apis"], name="release_provided_apis"),
        ]

    def __str__(self) -> str:
        return f"{self.application} {self.version} {self.mode} in {self.environment}"
