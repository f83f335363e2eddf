"""An entry of the ledger proves only what was written in its own transaction; the SQL is applied by a later migration."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0026_live_places")]

    operations = []
