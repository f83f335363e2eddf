"""The SQL of the runtime, whose gate joins the approvals in force."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("runtime", "0039_run_collected"), ("governance", "0008_begun")]

    operations = [ApplySql("runtime")]
