"""Stands for a migration that applied the SQL of the runtime anew."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0034_waivers_bind_findings"), ("runtime", "0070_persons")]

    operations = []
