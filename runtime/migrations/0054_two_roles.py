"""The SQL of the runtime: partitions of the log are made and dropped by functions of the tables' owner."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("runtime", "0053_erased_facts"), ("governance", "0019_two_roles")]

    operations = []
