"""The SQL of governance: occurrences of a freeze are kept, and a window that is not compiled counts as open."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0010_waiver_application")]

    operations = []
