"""One person counts once, however many accounts there are."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0022_persons"), ("governance", "0032_freeze_horizons")]

    operations = []
