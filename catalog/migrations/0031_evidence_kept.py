"""What was observed and used is written with its entry in the ledger, and does not become less."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("catalog", "0030_near_names")]

    operations = [ApplySql("catalog")]
