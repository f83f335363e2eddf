"""What an API was before somebody loosened a fact that decides which approvals its changes need."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class LoosenedFact(models.Model):
    """Written by triggers alone (`governance/sql/37_loosened_facts.sql`). `was` is the stricter value: a data class,
    the level of a tier, the key of a domain, or an entity with how it is exposed; empty where nothing was stated.
    `answered_by_id` is the approval of the change that named it and took effect."""

    class Fact(models.TextChoices):
        DATA_CLASS = "data_class", "Data class"
        TIER = "tier", "SLA tier"
        DOMAIN = "domain", "Domain"
        ENTITY = "entity", "Entity"

    api_id = models.BigIntegerField(db_index=True)
    fact = models.CharField(max_length=12, choices=Fact.choices)
    was = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(db_default=Now())
    answered_by_id = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.fact} was {self.was or 'not stated'}"
