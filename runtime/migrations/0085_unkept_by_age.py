"""Counts of rejected messages that retention takes are found by their time, flow by flow."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0084_who_left")]

    operations = [
        AddIndexConcurrently(
            "unkeptcount",
            models.Index(fields=["stream", "last_at"], name="unkept_by_age"),
        )
    ]
