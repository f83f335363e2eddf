"""The list of what runs where is paged by place."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("governance", "0025_destinations")]

    operations = [
        AddIndexConcurrently(
            "applicationrelease",
            models.Index(
                fields=["against_gate", "environment", "application", "instance", "id"],
                name="release_live_places",
                condition=models.Q(ended_at=None),
            ),
        ),
    ]
