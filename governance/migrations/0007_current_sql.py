"""The functions, views and triggers of `governance/sql/`."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    # The guards call `kernel_refuse_change`.
    dependencies = [("governance", "0006_provider_check"), ("kernel", "0003_current_sql")]

    operations = [ApplySql("governance")]
