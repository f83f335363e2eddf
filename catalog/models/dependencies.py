"""What an API needs to do its work: other APIs, or a system directly."""

from django.db import models
from django.db.models import F, Q

from catalog.models.apis import Api
from catalog.models.protection import dropped_on_purpose
from catalog.models.systems import System
from catalog.models.tallies import BEGINNING, counted


class Dependency(models.Model):
    """`api` needs exactly one target. Hard: it cannot answer without; soft: it has a degraded answer."""

    class Criticality(models.TextChoices):
        HARD = "hard", "Cannot answer without it"
        SOFT = "soft", "Answers degraded without it"

    api = models.ForeignKey(Api, on_delete=models.CASCADE, related_name="dependencies")
    target_api = models.ForeignKey(Api, null=True, blank=True, on_delete=models.PROTECT, related_name="dependents")
    target_system = models.ForeignKey(
        System, null=True, blank=True, on_delete=models.PROTECT, related_name="dependents"
    )
    criticality = models.CharField(max_length=4, choices=Criticality.choices, default=Criticality.HARD)
    degraded_mode = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["api", "id"]
        verbose_name_plural = "dependencies"
        triggers = [dropped_on_purpose("dependency"), *counted(("dependency", "api_id", "0", f"date '{BEGINNING}'"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(target_api=None, target_system__isnull=False)
                | Q(target_api__isnull=False, target_system=None),
                name="dependency_has_one_target",
            ),
            models.CheckConstraint(
                condition=Q(target_api=None) | ~Q(target_api=F("api")), name="dependency_not_on_itself"
            ),
            models.UniqueConstraint(fields=["api", "target_api"], name="dependency_once_per_api"),
            models.UniqueConstraint(fields=["api", "target_system"], name="dependency_once_per_system"),
        ]

    def __str__(self) -> str:
        return f"{self.api_id} needs {self.target_api_id or self.target_system_id}"
