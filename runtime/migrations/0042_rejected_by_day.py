"""What was rejected on a day is found by its time."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0041_day_sums")]

    operations = [AddIndexConcurrently("rejectedmessage", models.Index(fields=["stream", "at"], name="rejected_by_day"))]
