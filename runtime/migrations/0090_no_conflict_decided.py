"""Settled conflicts have one index by time, that of their flow."""

from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0089_no_rejected_decided")]

    operations = [RemoveIndexConcurrently("conflictcase", "conflict_decided")]
