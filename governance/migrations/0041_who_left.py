"""Who leaves lends nothing any more, and who comes back begins anew: in the SQL."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0040_looked_at_again")]

    operations = []
