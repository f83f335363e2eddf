"""The SQL of the runtime: a freeze of some stores keeps no lane of another store from its turn."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("runtime", "0054_two_roles")]

    operations = []
