"""Settled conflicts that retention takes are found by their time, flow by flow."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0087_rejected_by_end")]

    operations = [
        AddIndexConcurrently(
            "conflictcase",
            models.Index(fields=["stream", "decided_at"], name="conflict_by_end", condition=models.Q(decided_at__isnull=False)),
        )
    ]
