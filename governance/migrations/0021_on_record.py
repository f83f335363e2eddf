"""The SQL of governance: slots, checks and levels are counted against the active policies; what is decided is on record."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0020_records_keep_contracts"), ("catalog", "0016_two_roles")]

    operations = []
