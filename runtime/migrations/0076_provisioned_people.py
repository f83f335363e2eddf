"""Stands for a migration that applied the SQL of the runtime anew."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0037_provisioned_people"), ("runtime", "0075_progress_at_gate")]

    operations = []
