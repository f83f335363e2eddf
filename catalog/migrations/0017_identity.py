"""Which group of people a team is, is in the ledger."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0016_two_roles"), ("kernel", "0010_identity")]

    operations = []
