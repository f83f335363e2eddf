"""Evidence and runs are kept at least as long as the messages that they are about."""

from django.db import migrations

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("governance", "0029_rights_that_rest"), ("runtime", "0066_names_stay")]

    operations = [ApplySql("runtime")]
