"""The room's SQL behind that of governance, whose views it joins."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("runtime", "0094_hooks"), ("governance", "0047_first_records")]

    operations = [ApplySql("runtime")]
