"""Held a function that searched documents; `catalog/sql/` holds its successor, which 0006 makes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]
    operations = []
