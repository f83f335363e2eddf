"""What is in effect stays where a check blocks again; owners of record of partial boundaries and the weight of an
application are derived by the database. A later migration applies the SQL, and counts the planned freezes behind it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("governance", "0039_written_here"), ("catalog", "0031_evidence_kept")]

    operations = []
