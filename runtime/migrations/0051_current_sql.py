"""The SQL of the runtime, after that of governance."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("runtime", "0050_freeze_stores"), ("governance", "0016_third_person")]

    operations = []
