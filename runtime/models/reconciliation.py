"""Comparisons with a target system: what was asked, what it said, and where the two differ."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from runtime.models.subscriptions import TargetSubscription


class TargetComparison(models.Model):
    """One question to a target about the messages of a day. Insert only; a later one stands beside it.

    `due` messages of the day were meant for the target, `asked` of them were asked about. `agreed`: both sides say the
    same. `missing`: delivered as far as this side knows, and not there. `extra`: there, although it is held or closed
    on this side. `twice`: more than one document bears its name there. `differs`: its amount there is another one.
    `silent`: no answer that can be trusted. `unproven`: something is there under the name of a state, and nothing shows
    whether it is this one or an earlier one. `cases` are at most a thousand of the last five, `{lane, position, key,
    what, state, there}`.
    """

    target = models.ForeignKey(TargetSubscription, on_delete=models.PROTECT, related_name="comparisons")
    day = models.DateField()
    by = models.CharField(max_length=8, choices=[("business", "Business day"), ("arrival", "Day of arrival")])
    at = models.DateTimeField(db_default=Now())
    due = models.IntegerField()
    asked = models.IntegerField()
    agreed = models.IntegerField()
    missing = models.IntegerField()
    extra = models.IntegerField()
    twice = models.IntegerField(db_default=0)
    differs = models.IntegerField(db_default=0)
    silent = models.IntegerField()
    unproven = models.IntegerField(db_default=0)
    note = models.TextField(blank=True, default="")
    cases: Any = models.JSONField(default=list)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "runtime_comparison"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["target", "day", "-id"], name="comparison_by_day"),
            models.Index(fields=["target", "at"], name="comparison_by_age"),  # what retention takes
        ]

    def __str__(self) -> str:
        return f"{self.target_id} on {self.day}"
