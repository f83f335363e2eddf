"""The functions and triggers of `kernel/sql/`."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("kernel", "0002_ledger_guards")]

    operations = [ApplySql("kernel")]
