"""What conflicted on a day is found by its time."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0042_rejected_by_day")]

    operations = [AddIndexConcurrently("conflictcase", models.Index(fields=["stream", "at"], name="conflict_by_day"))]
