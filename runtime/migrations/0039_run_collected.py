"""Runs of a source by the time of their start: a day of reconciliation reads no other runs. Made while runs go on."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0038_alerts")]

    operations = [
        AddIndexConcurrently(
            "run",
            models.Index(condition=models.Q(kind="collect"), fields=["stream", "started_at"], name="run_collected"),
        ),
    ]
