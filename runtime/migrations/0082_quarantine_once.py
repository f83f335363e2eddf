"""What waits in quarantine is looked through once for a month of the log, not target by target."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("governance", "0039_written_here"), ("runtime", "0081_holds_by_key")]

    operations = [ApplySql("runtime")]
