"""Campaigns: a date by which a scorecard point should hold. Advice, never the gate."""

from django.db import models
from django.db.models.functions import Now

from catalog.models.ownership import Team


class Campaign(models.Model):
    """`point` is a key of `domain.scorecards.POINTS`."""

    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=160)
    point = models.CharField(max_length=60)
    purpose = models.TextField(blank=True, help_text="Why it matters, and where help is")
    due_on = models.DateField()
    owner_team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["due_on", "key"]

    def __str__(self) -> str:
        return self.name
