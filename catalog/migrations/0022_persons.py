"""A person who asked for a subscription decides about it by no other account either."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("kernel", "0017_persons"), ("catalog", "0021_rows_told")]

    operations = [ApplySql("catalog")]
