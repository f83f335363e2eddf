"""What holds a month of the log is found by the key of its messages. The SQL is applied behind that of governance."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("governance", "0039_written_here"), ("runtime", "0080_found_by_age")]

    operations = [ApplySql("runtime")]
