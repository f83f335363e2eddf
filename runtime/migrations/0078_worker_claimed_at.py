"""Nobody wrote when a worker claimed last, and nobody reads it. The column stays while processes of the release before
still read it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0039_written_here"), ("runtime", "0077_fields_of_flows")]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("worker", "claimed_at")]),
    ]
