"""Writes to the catalog are stamped."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0013_agents"), ("kernel", "0008_write_stamps")]

    operations = []
