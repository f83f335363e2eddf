"""An approval of every kind of change is sealed by facts that ask for no less than what it is about; its SQL is applied
by a later migration."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0035_loosened_facts")]

    operations = []
