"""What waits in quarantine is looked through once for a month of the log, not target by target; its SQL is applied by a
later migration."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0039_written_here"), ("runtime", "0081_holds_by_key")]

    operations = []
