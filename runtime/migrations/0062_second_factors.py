"""The SQL of the runtime, after that of governance."""

from django.db import migrations



class Migration(migrations.Migration):
    dependencies = [("runtime", "0061_refused_calls"), ("governance", "0023_second_factors")]

    operations = []
