"""The SQL of the runtime again, behind that of governance."""

from django.db import migrations



class Migration(migrations.Migration):
    dependencies = [("runtime", "0051_current_sql"), ("governance", "0017_write_stamps")]

    operations = []
