"""What an application called in the last days, for the gate. Made while reports come in."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("catalog", "0010_gate_facts")]

    operations = [
        AddIndexConcurrently(
            "usageday", models.Index(fields=["application", "environment", "day"], name="usage_by_application")
        ),
    ]
