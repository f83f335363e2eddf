"""The SQL of the runtime behind that of governance, which knows the check of the fields that integrations use; a later
migration applies it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0038_fields_of_flows"), ("runtime", "0076_provisioned_people")]

    operations = []
