"""A run counts conflicts that were known already for themselves. A constant default: no row is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runtime", "0036_comparison_unproven")]

    operations = [migrations.AddField("run", "conflicts_again", models.BigIntegerField(db_default=0))]
