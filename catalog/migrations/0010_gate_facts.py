"""What the gate asks of the catalog: third parties, rights to provide, stores, and whether everything that runs is recorded.

Systems of a vendor are third party from the start; environments that exist report for ninety days what has no record.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

_THIRD_PARTY = """
update catalog_system
   set third_party = lower(trim(vendor)) not in ('own', 'in-house', 'inhouse', 'self', 'internal', 'none')
 where trim(vendor) <> '';
"""
_REPORTING = "update catalog_environment set records_enforced_from = now() + interval '90 days';"


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0009_deprecations'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ProviderRight',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.TextField()),
                ('granted_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='RetailStore',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.SlugField(max_length=120, unique=True)),
                ('name', models.CharField(max_length=200)),
                ('zone', models.CharField(blank=True, help_text='IANA time zone, such as Europe/Berlin', max_length=64)),
                ('retired_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['key'],
            },
        ),
        migrations.AddField(
            model_name='api',
            name='per_instance',
            field=models.BooleanField(blank=True, help_text='Each instance (store) has a provider of its own; empty: as the records say', null=True),
        ),
        migrations.AddField(
            model_name='api',
            name='third_party',
            field=models.BooleanField(blank=True, help_text='A vendor provides it; empty: as its system says', null=True),
        ),
        migrations.AddField(
            model_name='environment',
            name='records_approval_id',
            field=models.BigIntegerField(blank=True, help_text='The approval behind the statement that the record is complete', null=True),
        ),
        migrations.AddField(
            model_name='environment',
            name='records_complete_since',
            field=models.DateTimeField(blank=True, help_text='From here on everything that runs there is recorded; empty: nobody says so', null=True),
        ),
        migrations.AddField(
            model_name='environment',
            name='records_enforced_from',
            field=models.DateTimeField(blank=True, help_text='Until then the gate only reports that a record is missing', null=True),
        ),
        migrations.AddField(
            model_name='system',
            name='third_party',
            field=models.BooleanField(blank=True, help_text='A vendor runs or ships it: no application of ours provides its APIs', null=True),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='dependency',
            trigger=pgtrigger.compiler.Trigger(name='dependency_dropped_on_purpose', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nif current_setting('tillgate.dropping', true) is distinct from 'dependency' then\n  raise exception using errcode = 'check_violation', constraint = 'dependency_dropped_on_purpose',\n    message = 'a dependency is evidence and is dropped through the product only';\nend if;\nreturn old;\n", hash='abf9cb0ed0a6af40741fdfaf09f50ec0d116a497', operation='DELETE', pgid='pgtrigger_dependency_dropped_on_purpose_08c40', table='catalog_dependency', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usageday',
            trigger=pgtrigger.compiler.Trigger(name='recent_usage_never_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.day > current_date - 60)', func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='4f67b29e83e520b3a343e3875d1a66f0202cfbaa', operation='DELETE', pgid='pgtrigger_recent_usage_never_deleted_de211', table='catalog_usageday', when='BEFORE')),
        ),
        migrations.AddField(
            model_name='providerright',
            name='api',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='provider_rights', to='catalog.api'),
        ),
        migrations.AddField(
            model_name='providerright',
            name='application',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='provider_rights', to='catalog.application'),
        ),
        migrations.AddField(
            model_name='providerright',
            name='ended_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='providerright',
            name='granted_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='retailstore',
            name='banner',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.scopevalue'),
        ),
        migrations.AddField(
            model_name='retailstore',
            name='channel',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.scopevalue'),
        ),
        migrations.AddField(
            model_name='retailstore',
            name='region',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='catalog.scopevalue'),
        ),
        migrations.AddConstraint(
            model_name='providerright',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('application', 'api'), name='one_provider_right'),
        ),
        migrations.AddConstraint(
            model_name='providerright',
            constraint=models.CheckConstraint(condition=models.Q(('reason__regex', '\\S')), name='provider_right_needs_a_reason'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='providerright',
            trigger=pgtrigger.compiler.Trigger(name='provider_right_never_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='080c71f223741c86327c57d8c549f4fc6a865dbe', operation='DELETE', pgid='pgtrigger_provider_right_never_deleted_52214', table='catalog_providerright', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='retailstore',
            trigger=pgtrigger.compiler.Trigger(name='store_never_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='fcde973bef9dcb0c9dfd267445ae13ad89f5b785', operation='DELETE', pgid='pgtrigger_store_never_deleted_f642a', table='catalog_retailstore', when='BEFORE')),
        ),
        migrations.RunSQL(_THIRD_PARTY, migrations.RunSQL.noop),
        migrations.RunSQL(_REPORTING, migrations.RunSQL.noop),
    ]
