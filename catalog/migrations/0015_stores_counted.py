"""Stores are counted, so that it shows when one vanished."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations

_COUNT = """
insert into catalog_evidencetally (kind, thing, environment, day, found)
select 'store', 0, 0, date '0001-01-01', count(*) from catalog_retailstore having count(*) > 0
"""


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0014_write_stamps'),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name='retailstore',
            trigger=pgtrigger.compiler.Trigger(name='counted_in', sql=pgtrigger.compiler.UpsertTriggerSql(func="\ninsert into catalog_evidencetally as t (kind, thing, environment, day, found)\nselect 'store', 0, 0, date '0001-01-01', count(*) from moved group by 2, 3, 4 order by 2, 3, 4\non conflict (kind, thing, environment, day) do update set found = t.found + excluded.found;\nreturn null;", hash='213bde7ee403c35ef907dd773bda43b0723e6f1a', level='STATEMENT', operation='INSERT', pgid='pgtrigger_counted_in_27bc1', referencing='REFERENCING NEW TABLE AS moved ', table='catalog_retailstore', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='retailstore',
            trigger=pgtrigger.compiler.Trigger(name='counted_out', sql=pgtrigger.compiler.UpsertTriggerSql(func="\ninsert into catalog_evidencetally as t (kind, thing, environment, day, found)\nselect 'store', 0, 0, date '0001-01-01', -count(*) from moved group by 2, 3, 4 order by 2, 3, 4\non conflict (kind, thing, environment, day) do update set found = t.found + excluded.found;\nreturn null;", hash='45e99d56384d7a92773f5a4210dad0886fa59350', level='STATEMENT', operation='DELETE', pgid='pgtrigger_counted_out_8391d', referencing='REFERENCING OLD TABLE AS moved ', table='catalog_retailstore', when='AFTER')),
        ),
        migrations.RunSQL(_COUNT, migrations.RunSQL.noop),
    ]
