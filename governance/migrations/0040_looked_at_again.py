"""What is in effect stays where a check blocks again; owners of record of partial boundaries and the weight of an
application are derived by the database."""

from django.db import migrations

from kernel.sql_files import ApplySql

# Freezes that were planned between the count of the migration before and the trigger that is made here.
_COUNT = """
lock table governance_freezewindow in share row exclusive mode;
update governance_releasetally
   set live = (select count(*) from governance_freezewindow)
 where environment = ''
   and kind = 'freeze'
   and name = ''
   and live < (select count(*) from governance_freezewindow);
"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0039_written_here"), ("catalog", "0031_evidence_kept")]

    operations = [ApplySql("governance"), migrations.RunSQL(_COUNT, migrations.RunSQL.noop)]
