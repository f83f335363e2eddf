"""What was decided today is found by its time."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0045_quarantine_unknown")]

    operations = [
        AddIndexConcurrently(
            "rejectedmessage", models.Index(condition=models.Q(decided_at__isnull=False), fields=["decided_at"], name="rejected_decided")
        )
    ]
