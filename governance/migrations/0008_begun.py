"""The SQL of governance: an approval that was used has begun, whatever a clock says that went back."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0007_current_sql")]

    operations = []
