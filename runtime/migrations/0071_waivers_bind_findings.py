"""Views of the runtime stand on those of governance: applied anew after them."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("governance", "0034_waivers_bind_findings"), ("runtime", "0070_persons")]

    operations = [ApplySql("runtime")]
