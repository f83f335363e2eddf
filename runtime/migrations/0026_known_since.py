"""Facts before the window of known keys are told from those that are known."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("runtime", "0025_retention")]
    operations = []
