"""The two views that `0002_gate` of the runtime joins. Their text is `governance/sql/10_in_force.sql`."""

from pathlib import Path

from django.db import migrations

IN_FORCE = Path(__file__).resolve().parents[1] / "sql" / "10_in_force.sql"


class Migration(migrations.Migration):
    dependencies = [("governance", "0001_initial")]

    operations = [
        migrations.RunSQL(
            IN_FORCE.read_text(), "drop view if exists governance_active_freeze, governance_valid_approval"
        )
    ]
