"""Writes to what was decided are stamped."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0016_third_person"), ("catalog", "0014_write_stamps")]

    operations = []
