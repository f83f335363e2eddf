"""The functions of `catalog/sql/`."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0005_usage_staleness_and_outages"), ("kernel", "0003_current_sql")]

    operations = []
