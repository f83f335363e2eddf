"""The SQL of this room, after that of governance."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("governance", "0037_provisioned_people"), ("runtime", "0075_progress_at_gate")]

    operations = [ApplySql("runtime")]
