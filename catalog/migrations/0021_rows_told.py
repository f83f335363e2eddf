"""Whose the parts of the landscape are, and who sees a restricted API, is told in the ledger by the database."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("kernel", "0016_ledger_turn"), ("catalog", "0020_destinations")]

    operations = []
