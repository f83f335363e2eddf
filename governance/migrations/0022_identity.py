"""Mappings of the identity provider's groups are in the ledger."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0021_on_record"), ("catalog", "0017_identity")]

    operations = []
