"""What was observed of a version: which operations an application calls."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from catalog.models.apis import ApiVersion
from catalog.models.consumers import Application
from catalog.models.systems import Environment


class OperationUse(models.Model):
    """Calls of one application to one operation of a version in one environment, added up since the first report.

    Only operations that the contract of the version lists are kept, so that their number is bounded.
    """

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(ApiVersion, on_delete=models.PROTECT, related_name="+")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    operation = models.CharField(max_length=300, help_text='As the contract names it: "POST /orders"')
    calls = models.BigIntegerField(default=0)
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-last_seen_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "environment", "application", "operation"], name="operation_use_once"
            ),
            models.CheckConstraint(condition=Q(calls__gte=0), name="operation_calls_make_sense"),
        ]

    def __str__(self) -> str:
        return f"{self.application_id} called {self.operation} of {self.version_id} {self.calls} times"
