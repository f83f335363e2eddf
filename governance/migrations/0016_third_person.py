"""The SQL of governance: the review of a break-glass is written by neither of the two who opened it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0015_pipelines")]

    operations = []
