"""What stands on the rooms below is made again after them."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0033_persons"), ("runtime", "0069_manifest_facts")]

    operations = []
