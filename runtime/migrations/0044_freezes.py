"""The SQL of the runtime: its gate reads what a freeze goes by from the approved release, and the store of an
instance."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("runtime", "0043_conflict_by_day"),
        ("governance", "0011_freezes_kept"),
        ("catalog", "0011_usage_by_application"),
    ]

    operations = []
