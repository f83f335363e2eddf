"""An approval is sealed where its change was assessed by no less than its manifest and the catalog say."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0032_freeze_horizons"), ("runtime", "0068_rows_told")]

    operations = []
