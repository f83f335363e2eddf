"""The order in which claims walk lanes, made while workers go on."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0034_turns")]

    operations = [
        AddIndexConcurrently(
            "progress",
            models.Index(condition=models.Q(asleep=False), fields=["tier", "waits_since"], name="progress_in_turn"),
        ),
    ]
