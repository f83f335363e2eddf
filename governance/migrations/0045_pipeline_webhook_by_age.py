"""Webhooks of pipelines that retention takes are found by their time."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("governance", "0044_webhook_delivered")]

    operations = [
        AddIndexConcurrently(
            "pipelinedelivery",
            models.Index(fields=["last_at"], name="pipeline_webhook_by_age"),
        )
    ]
