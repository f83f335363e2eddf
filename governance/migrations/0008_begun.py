"""The SQL of governance: an approval that was used has begun, whatever a clock says that went back."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("governance", "0007_current_sql")]

    operations = [ApplySql("governance")]
