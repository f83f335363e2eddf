"""Held the guards of the audit ledger, which `kernel/sql/` holds now and 0003 applies."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("kernel", "0001_initial")]

    operations = []
