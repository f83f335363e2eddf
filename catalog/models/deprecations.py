"""What consumers of a version that ends were told, and the hours in which it will be refused on purpose."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from catalog.models.apis import ApiVersion
from catalog.models.consumers import Application
from catalog.models.protection import never_deleted
from catalog.models.systems import Environment


class SunsetNotice(models.Model):
    """One application was told of the end of one version: which step, about which sunset, and how many people of its
    team there were to read it."""

    version = models.ForeignKey(ApiVersion, on_delete=models.PROTECT, related_name="sunset_notices")
    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="sunset_notices")
    sunset_at = models.DateTimeField()
    step = models.CharField(max_length=20)
    people = models.PositiveIntegerField(help_text="Active people of the application's team at that time")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["version", "application", "sunset_at", "step"], name="sunset_notice_once")
        ]
        triggers = [never_deleted("sunset_notice")]

    def __str__(self) -> str:
        return f"{self.application_id}: {self.version_id} {self.step}"


class BrownOut(models.Model):
    """Hours in which a deprecated version is refused on purpose, so that who still calls it notices before the sunset.

    Planned by the owner of the API; the provider's own middleware obeys it.
    """

    version = models.ForeignKey(ApiVersion, on_delete=models.PROTECT, related_name="brown_outs")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    note = models.CharField(max_length=300, blank=True)
    planned_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    planned_at = models.DateTimeField(db_default=Now())
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["starts_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(starts_at__lt=F("ends_at")), name="brown_out_ends_after_it_starts")
        ]
        indexes = [
            models.Index(
                fields=["version", "starts_at"], name="brown_out_planned", condition=Q(cancelled_at__isnull=True)
            )
        ]
        triggers = [never_deleted("brown_out")]

    def __str__(self) -> str:
        return f"{self.version_id} {self.starts_at:%Y-%m-%d %H:%M}"
