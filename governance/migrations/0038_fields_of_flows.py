"""Changes of API versions have the check of the fields that deployed integrations use; a later migration applies it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0037_provisioned_people")]

    operations = []
