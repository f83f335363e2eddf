"""The SQL of the runtime, whose gate joins the approvals in force."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("runtime", "0039_run_collected"), ("governance", "0008_begun")]

    operations = []
