"""The SQL of governance again, behind that of the catalog."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0018_verdict_names"), ("catalog", "0016_two_roles")]

    operations = []
