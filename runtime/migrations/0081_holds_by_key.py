"""What holds a month of the log is found by the key of its messages. The SQL itself is applied by a later migration."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0039_written_here"), ("runtime", "0080_found_by_age")]

    operations = []
