"""The SQL of the catalog, after that of the kernel."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0018_further_hosts"), ("kernel", "0012_second_factors")]

    operations = []
