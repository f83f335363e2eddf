"""Decisions of pipelines that retention takes are found by the time when they ended."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("governance", "0045_pipeline_webhook_by_age")]

    operations = [
        AddIndexConcurrently(
            "pipelinereview",
            models.Index(fields=["ended_at"], name="pipeline_review_ended", condition=models.Q(ended_at__isnull=False)),
        )
    ]
