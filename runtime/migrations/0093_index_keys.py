"""The function that indexes a month of the log by its keys once known keys of its days are dropped."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("runtime", "0092_rejected_by_key")]

    operations = [ApplySql("runtime")]
