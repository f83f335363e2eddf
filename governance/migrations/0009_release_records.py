"""Records of what runs are never rewritten or deleted, and a count of them shows when one vanished."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

_COUNT = """
insert into governance_releasetally (environment, kind, name, live)
select r.environment, counted.kind, counted.name, count(*)
  from governance_applicationrelease r
 cross join lateral (select 'application' as kind, r.application as name
                     union
                     select 'api', unnest(r.provided_apis)) counted
 where r.ended_at is null
 group by 1, 2, 3;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('governance', '0008_begun'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ReleaseTally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('environment', models.CharField(max_length=60)),
                ('kind', models.CharField(choices=[('application', 'Application'), ('api', 'Provided API')], max_length=11)),
                ('name', models.CharField(max_length=200)),
                ('live', models.IntegerField()),
            ],
            options={
                'ordering': ['environment', 'kind', 'name'],
            },
        ),
        migrations.AddField(
            model_name='applicationrelease',
            name='against_gate',
            field=models.BooleanField(db_default=False, help_text='The last verdict about this version there, on the day it went live, was deny'),
        ),
        migrations.AddField(
            model_name='applicationrelease',
            name='ended_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='applicationrelease',
            name='ended_how',
            field=models.CharField(blank=True, choices=[('replaced', 'Replaced by another version'), ('undeployed', 'Taken away'), ('support', 'Support ended')], db_default='', max_length=12),
        ),
        migrations.AddIndex(
            model_name='applicationrelease',
            index=models.Index(condition=models.Q(('against_gate', True)), fields=['-id'], name='release_against_gate'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='applicationrelease',
            trigger=pgtrigger.compiler.Trigger(name='release_never_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='4c9ddbc74de849f4d9ac052998c835d229c23d6f', operation='DELETE', pgid='pgtrigger_release_never_deleted_822be', table='governance_applicationrelease', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='applicationrelease',
            trigger=pgtrigger.compiler.Trigger(name='release_content_stays', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nif (new.application, new.version, new.environment, new.instance, new.mode, new.consumes, new.provides,\n    new.provided_apis, new.integrations, new.recorded_at)\n   is distinct from\n   (old.application, old.version, old.environment, old.instance, old.mode, old.consumes, old.provides,\n    old.provided_apis, old.integrations, old.recorded_at)\n   or (old.ended_at is not null and new.ended_at is distinct from old.ended_at) then\n  raise exception using errcode = 'check_violation', constraint = 'release_content_stays',\n    message = 'a record of what runs is never rewritten; record what runs now';\nend if;\nreturn new;\n", hash='a5849d0079b9e2fb4b743810c5a59d186ae98729', operation='UPDATE', pgid='pgtrigger_release_content_stays_de53e', table='governance_applicationrelease', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='applicationrelease',
            trigger=pgtrigger.compiler.Trigger(name='release_tally', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nif tg_op = 'UPDATE' and (old.ended_at is null) = (new.ended_at is null) then\n  return null;\nend if;\nif tg_op = 'INSERT' and new.ended_at is not null then\n  return null;\nend if;\ninsert into governance_releasetally as t (environment, kind, name, live)\nselect new.environment, counted.kind, counted.name, case tg_op when 'INSERT' then 1 else -1 end\n  from (select 'application' as kind, new.application as name\n        union\n        select 'api', unnest(new.provided_apis)) counted\n order by counted.kind, counted.name\non conflict (environment, kind, name) do update set live = t.live + excluded.live;\nreturn null;\n", hash='3a9e975986d4e0994d34d63e4e3a1dcee210814b', operation='INSERT OR UPDATE', pgid='pgtrigger_release_tally_12253', table='governance_applicationrelease', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='releasetally',
            constraint=models.UniqueConstraint(fields=('environment', 'kind', 'name'), name='one_release_tally'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='releasetally',
            trigger=pgtrigger.compiler.Trigger(name='tally_never_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='ac450257086fa1990b78fcabd0dbb75ab6a5e8b0', operation='DELETE', pgid='pgtrigger_tally_never_deleted_b79be', table='governance_releasetally', when='BEFORE')),
        ),
        migrations.RunSQL(_COUNT, migrations.RunSQL.noop),
    ]
