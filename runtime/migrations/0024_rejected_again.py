"""A run counts rejected records that were known already for themselves. A constant default: no row is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runtime", "0023_sources")]

    operations = [migrations.AddField("run", "rejected_again", models.BigIntegerField(db_default=0))]
