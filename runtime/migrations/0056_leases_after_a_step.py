"""The SQL of the runtime: a lease that was stored since the clock was set ahead is judged by the clock as it is."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("runtime", "0055_frozen_stores")]

    operations = []
