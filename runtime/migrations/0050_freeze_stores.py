"""The SQL of the runtime: a freeze of stores goes by banner, channel, region and time zone of the instance's store."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("runtime", "0049_called_address"), ("governance", "0014_freeze_keys")]

    operations = []
