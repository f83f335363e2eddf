"""Handled events that retention takes are found by the time when they were done."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("kernel", "0022_accounts_by_mail")]

    operations = [
        AddIndexConcurrently(
            "outboxevent",
            models.Index(fields=["done_at"], name="outbox_done", condition=models.Q(done_at__isnull=False)),
        )
    ]
