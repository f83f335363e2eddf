"""Who may hand in messages without the right to operate."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class IntakeGrant(models.Model):
    """The right of one account, or of the accounts of one team, to hand in messages to one integration in one
    environment, and nothing else. A token uses it with the scope `intake:write`. Revoked ones stay for the record."""

    integration = models.ForeignKey("runtime.Integration", on_delete=models.PROTECT, related_name="intake_grants")
    environment = models.CharField(max_length=40)
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    team = models.ForeignKey("auth.Group", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    granted_at = models.DateTimeField(db_default=Now())
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(account__isnull=True) ^ models.Q(team__isnull=True), name="intake_grant_to_one"
            ),
            models.UniqueConstraint(
                fields=["integration", "environment", "account", "team"],
                nulls_distinct=False,
                condition=models.Q(revoked_at__isnull=True),
                name="intake_grant_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.integration_id} in {self.environment} to {self.account_id or self.team_id}"
