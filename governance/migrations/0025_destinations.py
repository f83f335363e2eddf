"""Behind the catalog's endpoints, which have a digest; the SQL is applied by a later migration."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0024_subject_of_an_acceptance"), ("catalog", "0020_destinations")]

    operations = []
