"""Freeze windows: a local calendar, compiled to half-open UTC intervals."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import DateTimeRangeField
from django.contrib.postgres.indexes import GistIndex
from django.db import models
from django.db.models.functions import Now


class FreezeWindow(models.Model):
    """`environment`, `tier`, `domain`, `system`, `channel`, `banner` None mean all. `tier` n means n and more
    critical (0..n).

    `strictness`: `notice` is shown only; `changes` refuses to put changes into effect; `work` stops claims of work as
    well. `calendar` is a document of `governance.domain.freeze`.
    """

    class Strictness(models.TextChoices):
        NOTICE = "notice", "Shown only"
        CHANGES = "changes", "No change goes live"
        WORK = "work", "No change goes live and no job runs"

    name = models.CharField(max_length=120)
    reason = models.TextField(blank=True)
    environment = models.CharField(max_length=60, null=True, blank=True)
    tier = models.PositiveSmallIntegerField(null=True, blank=True)
    domain = models.CharField(max_length=80, null=True, blank=True)
    system = models.CharField(max_length=80, null=True, blank=True)
    channel = models.CharField(max_length=80, null=True, blank=True)
    banner = models.CharField(max_length=80, null=True, blank=True)
    strictness = models.CharField(max_length=8, choices=Strictness.choices, default=Strictness.CHANGES)
    calendar: Any = models.JSONField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    compiled_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class FreezeInterval(models.Model):
    """One occurrence `[starts, ends)` of a window in UTC."""

    freeze = models.ForeignKey(FreezeWindow, on_delete=models.CASCADE, related_name="intervals")
    period = DateTimeRangeField()

    class Meta:
        ordering = ["period"]
        indexes = [GistIndex(fields=["period"], name="freeze_by_period")]
        constraints = [models.UniqueConstraint(fields=["freeze", "period"], name="freeze_interval_once")]

    def __str__(self) -> str:
        return f"{self.freeze_id} {self.period}"
