"""How far the occurrences of a freeze are worked out moves with an entry in the ledger."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0031_rows_told")]

    operations = []
