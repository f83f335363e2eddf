"""Conflicts that are open are found beside those that are not."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0046_rejected_decided")]

    operations = [
        AddIndexConcurrently(
            "conflictcase", models.Index(condition=models.Q(state="open"), fields=["stream"], name="conflict_open")
        )
    ]
