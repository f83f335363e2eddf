"""Records of what runs keep the contracts of what they provide, and what was taken away against the gate says so."""

import django.contrib.postgres.fields
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('governance', '0019_two_roles'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='applicationrelease',
            name='release_content_stays',
        ),
        migrations.AddField(
            model_name='applicationrelease',
            name='ended_against_gate',
            field=models.BooleanField(db_default=False, help_text='It was taken away although somebody used what it provides'),
        ),
        migrations.AddField(
            model_name='applicationrelease',
            name='provided_contracts',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=71), null=True, size=None),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='applicationrelease',
            trigger=pgtrigger.compiler.Trigger(name='release_content_stays', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nif (new.application, new.version, new.environment, new.instance, new.mode, new.consumes, new.provides,\n    new.provided_apis, new.integrations, new.recorded_at, new.provided_contracts)\n   is distinct from\n   (old.application, old.version, old.environment, old.instance, old.mode, old.consumes, old.provides,\n    old.provided_apis, old.integrations, old.recorded_at, old.provided_contracts)\n   or (old.ended_at is not null and new.ended_at is distinct from old.ended_at) then\n  raise exception using errcode = 'check_violation', constraint = 'release_content_stays',\n    message = 'a record of what runs is never rewritten; record what runs now';\nend if;\nreturn new;\n", hash='2a8839d2c348606c600ceefd9aa27cbc869a6e26', operation='UPDATE', pgid='pgtrigger_release_content_stays_de53e', table='governance_applicationrelease', when='BEFORE')),
        ),
    ]
