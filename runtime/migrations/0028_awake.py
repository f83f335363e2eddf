"""An index of what is awake in quarantine, made while messages come and go."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0027_asleep")]

    operations = [
        AddIndexConcurrently(
            "quarantinedmessage",
            models.Index(
                condition=models.Q(state__in=["retry", "sending"]) | models.Q(state="behind", asleep=False),
                fields=["subscription", "lane", "not_before", "position"],
                name="quarantine_awake",
            ),
        ),
    ]
