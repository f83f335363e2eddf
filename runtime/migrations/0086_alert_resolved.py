"""Alerts that retention takes are found by the time when they were resolved."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0085_unkept_by_age")]

    operations = [
        AddIndexConcurrently(
            "alert",
            models.Index(fields=["resolved_at"], name="alert_resolved", condition=models.Q(resolved_at__isnull=False)),
        )
    ]
