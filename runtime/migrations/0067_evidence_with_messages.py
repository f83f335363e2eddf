"""Evidence and runs are kept at least as long as the messages that they are about; the SQL is applied by a later
migration."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0029_rights_that_rest"), ("runtime", "0066_names_stay")]

    operations = []
