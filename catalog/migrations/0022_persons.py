"""A person who asked for a subscription decides about it by no other account either."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("kernel", "0017_persons"), ("catalog", "0021_rows_told")]

    operations = []
