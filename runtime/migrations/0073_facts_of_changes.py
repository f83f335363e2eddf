"""Facts of changes about flows are derived by the database, too."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("governance", "0036_facts_of_changes"), ("runtime", "0072_loosened_facts")]

    operations = [ApplySql("runtime")]
