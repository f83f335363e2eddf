"""Where no system is right about an entity yet, the owner of its domain is asked as the owner of record. With the count
of planned freezes, which belongs behind the SQL."""

from django.db import migrations

from kernel.sql_files import ApplySql

# The trigger that counts planned freezes is made here: counted anew, so that none is left out that was planned before.
_COUNT = """
lock table governance_freezewindow in share row exclusive mode;
update governance_releasetally
   set live = (select count(*) from governance_freezewindow)
 where environment = '' and kind = 'freeze' and name = '';
insert into governance_releasetally (environment, kind, name, live)
select '', 'freeze', '', count(*)
  from governance_freezewindow
having count(*) > 0
   and not exists (select from governance_releasetally where environment = '' and kind = 'freeze' and name = '');
"""


class Migration(migrations.Migration):
    dependencies = [("governance", "0046_pipeline_review_ended")]

    operations = [ApplySql("governance"), migrations.RunSQL(_COUNT, migrations.RunSQL.noop)]
