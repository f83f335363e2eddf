"""Facts of changes about flows are derived by the database, too; its SQL is applied by a later migration."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0036_facts_of_changes"), ("runtime", "0072_loosened_facts")]

    operations = []
