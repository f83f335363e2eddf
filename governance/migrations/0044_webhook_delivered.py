"""Delivered webhooks that retention takes are found by their time."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("governance", "0043_provisioned_by_words")]

    operations = [
        AddIndexConcurrently(
            "webhookdelivery",
            models.Index(fields=["delivered_at"], name="webhook_delivered", condition=models.Q(state="delivered")),
        )
    ]
