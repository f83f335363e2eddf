"""Messages whose outcome is unknown are counted by target, beside however many dead letters."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0044_freezes")]

    operations = [
        AddIndexConcurrently(
            "quarantinedmessage",
            models.Index(condition=models.Q(state="unknown"), fields=["subscription"], name="quarantine_unknown"),
        )
    ]
