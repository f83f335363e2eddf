"""The SQL of the runtime behind that of governance, in which who left begins anew."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0041_who_left"), ("runtime", "0083_looked_at_again")]

    operations = []
