"""How long a waiver and a break-glass window may last. The guards that stood here are `governance/sql/` now, applied by 0007."""

from django.db import migrations

FORWARD = """
alter table governance_waiver
  add constraint waiver_at_most_90_days check (expires_at - starts_at <= interval '90 days');
alter table governance_breakglass
  add constraint break_glass_window_at_most_four_hours check (ends_at - starts_at <= interval '4 hours');
"""

BACKWARD = """
alter table governance_waiver drop constraint waiver_at_most_90_days;
alter table governance_breakglass drop constraint break_glass_window_at_most_four_hours;
"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0002_views"), ("kernel", "0002_ledger_guards")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
