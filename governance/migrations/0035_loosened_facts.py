"""What an API was before somebody loosened it counts until a change that names it was approved."""

from django.db import migrations, models
from django.db.models.functions import Now

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
    dependencies = [("governance", "0034_waivers_bind_findings")]

    operations = [
        migrations.CreateModel(
            name="LoosenedFact",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("api_id", models.BigIntegerField(db_index=True)),
                (
                    "fact",
                    models.CharField(
                        choices=[
                            ("data_class", "Data class"),
                            ("tier", "SLA tier"),
                            ("domain", "Domain"),
                            ("entity", "Entity"),
                        ],
                        max_length=12,
                    ),
                ),
                ("was", models.CharField(blank=True, max_length=200)),
                ("at", models.DateTimeField(db_default=Now())),
                ("answered_by_id", models.BigIntegerField(null=True)),
            ],
        ),
        ApplySql("governance"),
        migrations.RunSQL(_COUNT, migrations.RunSQL.noop),
    ]
