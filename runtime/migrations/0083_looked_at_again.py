"""After the SQL of governance: facts of changes that the database derives. A later migration applies it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("runtime", "0082_quarantine_once"), ("governance", "0040_looked_at_again")]

    operations = []
