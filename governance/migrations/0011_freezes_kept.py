"""The SQL of governance: occurrences of a freeze are kept, and a window that is not compiled counts as open."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("governance", "0010_waiver_application")]

    operations = [ApplySql("governance")]
