"""Evidence and history by time: today's counts of the dashboard read a few pages instead of the whole table."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("runtime", "0005_comparison")]
    operations = [
        migrations.AddIndex("delivery", BrinIndex(fields=["at"], name="delivery_by_time")),
        migrations.AddIndex("attempt", BrinIndex(fields=["at"], name="attempt_by_time")),
    ]
