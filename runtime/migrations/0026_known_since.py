"""Facts before the window of known keys are told from those that are known."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("runtime", "0025_retention")]
    operations = [ApplySql("runtime")]
