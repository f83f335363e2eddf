"""Subscriptions, usage and dependencies are counted, so that it shows when one vanished."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

_COUNT = """
insert into catalog_evidencetally (kind, thing, environment, day, found)
select 'dependency', api_id, 0, date '0001-01-01', count(*) from catalog_dependency group by 2, 3, 4
 union all
select 'subscription', version_id, environment_id, date '0001-01-01', count(*) from catalog_subscription group by 2, 3, 4
 union all
select 'usage', version_id, environment_id, day, count(*) from catalog_usageday group by 2, 3, 4
 union all
select 'calls', application_id, environment_id, day, count(*) from catalog_usageday group by 2, 3, 4;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0011_usage_by_application'),
    ]

    operations = [
        migrations.CreateModel(
            name='EvidenceTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=12)),
                ('thing', models.BigIntegerField()),
                ('environment', models.BigIntegerField(db_default=0)),
                ('day', models.DateField(db_default='0001-01-01')),
                ('found', models.BigIntegerField(db_default=0)),
            ],
            options={
                'verbose_name_plural': 'evidence tallies',
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='dependency',
            trigger=pgtrigger.compiler.Trigger(name='counted_in', sql=pgtrigger.compiler.UpsertTriggerSql(func="\ninsert into catalog_evidencetally as t (kind, thing, environment, day, found)\nselect 'dependency', api_id, 0, date '0001-01-01', count(*) from moved group by 2, 3, 4 order by 2, 3, 4\non conflict (kind, thing, environment, day) do update set found = t.found + excluded.found;\nreturn null;", hash='b3ebb72654ecaad55003d568c9d4c5fe9cb7fdc5', level='STATEMENT', operation='INSERT', pgid='pgtrigger_counted_in_a9ba4', referencing='REFERENCING NEW TABLE AS moved ', table='catalog_dependency', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='dependency',
            trigger=pgtrigger.compiler.Trigger(name='counted_out', sql=pgtrigger.compiler.UpsertTriggerSql(func="\ninsert into catalog_evidencetally as t (kind, thing, environment, day, found)\nselect 'dependency', api_id, 0, date '0001-01-01', -count(*) from moved group by 2, 3, 4 order by 2, 3, 4\non conflict (kind, thing, environment, day) do update set found = t.found + excluded.found;\nreturn null;", hash='ef8308e6f2282a2f539b816b4d69ec0c8724dc57', level='STATEMENT', operation='DELETE', pgid='pgtrigger_counted_out_008e0', referencing='REFERENCING OLD TABLE AS moved ', table='catalog_dependency', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='subscription',
            trigger=pgtrigger.compiler.Trigger(name='counted_in', sql=pgtrigger.compiler.UpsertTriggerSql(func="\ninsert into catalog_evidencetally as t (kind, thing, environment, day, found)\nselect 'subscription', version_id, environment_id, date '0001-01-01', count(*) from moved group by 2, 3, 4 order by 2, 3, 4\non conflict (kind, thing, environment, day) do update set found = t.found + excluded.found;\nreturn null;", hash='985486c9b6877270de70b4ebfc86c6c4058f97c9', level='STATEMENT', operation='INSERT', pgid='pgtrigger_counted_in_cb7a0', referencing='REFERENCING NEW TABLE AS moved ', table='catalog_subscription', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='subscription',
            trigger=pgtrigger.compiler.Trigger(name='counted_out', sql=pgtrigger.compiler.UpsertTriggerSql(func="\ninsert into catalog_evidencetally as t (kind, thing, environment, day, found)\nselect 'subscription', version_id, environment_id, date '0001-01-01', -count(*) from moved group by 2, 3, 4 order by 2, 3, 4\non conflict (kind, thing, environment, day) do update set found = t.found + excluded.found;\nreturn null;", hash='e6b0cc871ac6386c8f6f14d1a72481d5056557ab', level='STATEMENT', operation='DELETE', pgid='pgtrigger_counted_out_b4b1b', referencing='REFERENCING OLD TABLE AS moved ', table='catalog_subscription', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usageday',
            trigger=pgtrigger.compiler.Trigger(name='counted_in', sql=pgtrigger.compiler.UpsertTriggerSql(func="\ninsert into catalog_evidencetally as t (kind, thing, environment, day, found)\nselect 'usage', version_id, environment_id, day, count(*) from moved group by 2, 3, 4 order by 2, 3, 4\non conflict (kind, thing, environment, day) do update set found = t.found + excluded.found;\n\ninsert into catalog_evidencetally as t (kind, thing, environment, day, found)\nselect 'calls', application_id, environment_id, day, count(*) from moved group by 2, 3, 4 order by 2, 3, 4\non conflict (kind, thing, environment, day) do update set found = t.found + excluded.found;\nreturn null;", hash='7dc181e2be91bf5fa46fcda64510a80819dcdec4', level='STATEMENT', operation='INSERT', pgid='pgtrigger_counted_in_36456', referencing='REFERENCING NEW TABLE AS moved ', table='catalog_usageday', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usageday',
            trigger=pgtrigger.compiler.Trigger(name='counted_out', sql=pgtrigger.compiler.UpsertTriggerSql(func="\ninsert into catalog_evidencetally as t (kind, thing, environment, day, found)\nselect 'usage', version_id, environment_id, day, -count(*) from moved group by 2, 3, 4 order by 2, 3, 4\non conflict (kind, thing, environment, day) do update set found = t.found + excluded.found;\n\ninsert into catalog_evidencetally as t (kind, thing, environment, day, found)\nselect 'calls', application_id, environment_id, day, -count(*) from moved group by 2, 3, 4 order by 2, 3, 4\non conflict (kind, thing, environment, day) do update set found = t.found + excluded.found;\nreturn null;", hash='e129a07037d522adb0615e4ce25b3882400c896f', level='STATEMENT', operation='DELETE', pgid='pgtrigger_counted_out_db7b7', referencing='REFERENCING OLD TABLE AS moved ', table='catalog_usageday', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='evidencetally',
            constraint=models.UniqueConstraint(fields=('kind', 'thing', 'environment', 'day'), name='one_evidence_tally'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='evidencetally',
            trigger=pgtrigger.compiler.Trigger(name='tally_never_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='6d3022d0aa146b9f48e82a72ba053fefa3f257b1', operation='DELETE', pgid='pgtrigger_tally_never_deleted_c5d64', table='catalog_evidencetally', when='BEFORE')),
        ),
        migrations.RunSQL(_COUNT, migrations.RunSQL.noop),
    ]
