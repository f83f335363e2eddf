"""The functions of this room stand after those of the rooms below."""

from django.db import migrations



class Migration(migrations.Migration):
    dependencies = [("runtime", "0058_on_record"), ("governance", "0022_identity")]

    operations = []
