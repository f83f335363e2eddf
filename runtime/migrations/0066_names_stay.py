"""What a stream, a subscription and the state of a vendor are for stays: its SQL is applied by a later migration."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0029_rights_that_rest"), ("runtime", "0065_current_sql")]

    operations = []
