"""The newest runs of a stream are found without a look at all runs."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0078_worker_claimed_at")]

    operations = [AddIndexConcurrently("run", models.Index(models.F("stream"), models.F("id") * -1, name="run_by_stream"))]
