"""The SQL of the catalog again, behind that of the kernel."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0015_stores_counted"), ("kernel", "0009_two_roles")]

    operations = []
