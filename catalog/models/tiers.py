"""SLA tiers: named resilience profiles that compile to rules."""

from django.db import models
from django.db.models import Q


class SlaTier(models.Model):
    """Level 0 is checkout-critical, 3 is back office. The keys of `rules` are those of `domain.tiers.KEYS`."""

    level = models.PositiveSmallIntegerField(unique=True)
    name = models.CharField(max_length=80)
    rules = models.JSONField(default=dict)

    class Meta:
        ordering = ["level"]
        verbose_name = "SLA tier"
        constraints = [models.CheckConstraint(condition=Q(level__lte=3), name="tier_is_0_to_3")]

    def __str__(self) -> str:
        return f"Tier {self.level}, {self.name}"
