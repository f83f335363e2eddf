"""One function says whether a row was written by this very transaction: the catalog's; its SQL is applied by a later
migration."""

from django.db import migrations

# The trigger that counts planned freezes is made after this: counted anew, so that none is left out that was planned before.
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
    dependencies = [("governance", "0038_fields_of_flows")]

    operations = [migrations.RunSQL(_COUNT, migrations.RunSQL.noop)]
