"""The SQL of the runtime: what stands in the place of an erased payload may say its day, its store and its hash."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("runtime", "0052_write_stamps")]

    operations = []
