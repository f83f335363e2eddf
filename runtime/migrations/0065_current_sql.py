"""The SQL of the runtime behind that of governance, whose views it reads."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("governance", "0027_entries_of_one_transaction"), ("runtime", "0064_approved_destinations")]

    operations = [ApplySql("runtime")]
