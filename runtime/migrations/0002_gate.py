"""The storage settings of the hot tables. The gate and its guards are in `runtime/sql/`."""

from django.db import migrations

STORAGE = """
alter table runtime_progress set (fillfactor = 20, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
alter table runtime_lane set (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
alter table runtime_stream set (fillfactor = 50);
alter table runtime_vendorstate set (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
alter table runtime_head set (fillfactor = 90);
alter table runtime_parked set (fillfactor = 70, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.02);
"""


class Migration(migrations.Migration):
    dependencies = [("runtime", "0001_initial"), ("catalog", "0001_initial"), ("governance", "0002_views")]
    operations = [migrations.RunSQL(STORAGE, migrations.RunSQL.noop)]
