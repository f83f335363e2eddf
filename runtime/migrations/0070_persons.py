"""What stands on the rooms below is made again after them."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("governance", "0033_persons"), ("runtime", "0069_manifest_facts")]

    operations = [ApplySql("runtime")]
