"""A person may say that a vendor does not have a message that it cannot be asked about."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runtime", "0013_target_fault")]

    operations = [migrations.AddField("quarantinedmessage", "not_arrived", models.BooleanField(db_default=False))]
