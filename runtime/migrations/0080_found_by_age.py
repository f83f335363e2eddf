"""What the policy no longer keeps is found by an index, flow by flow, not by a look at everything that is kept."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0079_run_by_stream")]

    operations = [
        AddIndexConcurrently("delivery", models.Index(fields=["subscription", "at"], name="delivery_by_age")),
        AddIndexConcurrently("attempt", models.Index(fields=["subscription", "at"], name="attempt_by_age")),
        AddIndexConcurrently("run", models.Index(fields=["integration", "ended_at"], name="run_by_end")),
        AddIndexConcurrently("targetcomparison", models.Index(fields=["target", "at"], name="comparison_by_age")),
    ]
