"""An index of what waits behind another message and is not asleep yet."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0028_awake")]

    operations = [
        AddIndexConcurrently(
            "quarantinedmessage",
            models.Index(
                condition=models.Q(state="behind", asleep=False),
                fields=["not_before"],
                name="quarantine_to_sleep",
            ),
        ),
    ]
