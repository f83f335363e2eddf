"""Workers look at nothing but the lanes that sleep until their gate opens."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("runtime", "0074_lanes_at_gates")]

    operations = [
        AddIndexConcurrently(
            model_name="progress",
            index=models.Index(
                fields=["subscription", "lane"], name="progress_at_gate", condition=models.Q(at_gate=True)
            ),
        ),
    ]
