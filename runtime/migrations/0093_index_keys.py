"""The function that indexes a month of the log by its keys once known keys of its days are dropped."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("runtime", "0092_rejected_by_key")]

    operations = []
