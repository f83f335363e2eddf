"""What a stream, a subscription and the state of a vendor are for stays."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("governance", "0029_rights_that_rest"), ("runtime", "0065_current_sql")]

    operations = [ApplySql("runtime")]
