"""After the SQL of governance: facts of changes that the database derives."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("runtime", "0082_quarantine_once"), ("governance", "0040_looked_at_again")]

    operations = [ApplySql("runtime")]
