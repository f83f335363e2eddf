"""Behind what is recorded by instance; the SQL is applied by a later migration."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0028_releases_by_instance")]

    operations = []
