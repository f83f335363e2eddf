"""Held the two views that the runtime's claim joins, which `governance/sql/` holds now and 0007 applies."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0001_initial")]

    operations = []
