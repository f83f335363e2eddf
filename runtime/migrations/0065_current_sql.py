"""Behind the SQL of governance, whose views that of the runtime reads; it is applied by a later migration."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0027_entries_of_one_transaction"), ("runtime", "0064_approved_destinations")]

    operations = []
