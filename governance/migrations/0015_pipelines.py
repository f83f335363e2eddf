"""Pipelines at GitHub and GitLab ask the gate by webhook: connections, mappings, reviews, deliveries."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('governance', '0014_freeze_keys'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='PipelineConnection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.SlugField(max_length=60, unique=True)),
                ('name', models.CharField(max_length=80)),
                ('provider', models.CharField(choices=[('github', 'GitHub'), ('gitlab', 'GitLab')], max_length=6)),
                ('api_url', models.CharField(max_length=300)),
                ('app_id', models.CharField(blank=True, max_length=60)),
                ('webhook_secret_ref', models.CharField(max_length=200)),
                ('old_webhook_secret_ref', models.CharField(blank=True, max_length=200)),
                ('credential_ref', models.CharField(max_length=200)),
                ('wait_minutes', models.PositiveIntegerField(default=60)),
                ('at_the_end', models.CharField(choices=[('reject', 'Reject it'), ('leave', 'Leave it undecided')], default='reject', max_length=6)),
                ('tells_reasons', models.BooleanField(default=True)),
                ('proposed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('confirmed_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('fault', models.CharField(blank=True, max_length=300)),
                ('fault_at', models.DateTimeField(blank=True, null=True)),
                ('refused_at', models.DateTimeField(blank=True, null=True)),
                ('confirmed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('ended_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('owner_team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='auth.group')),
                ('proposed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='PipelineMapping',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('repository_id', models.BigIntegerField()),
                ('repository', models.CharField(max_length=255)),
                ('place', models.CharField(max_length=255)),
                ('application', models.CharField(max_length=200)),
                ('environment', models.CharField(max_length=60)),
                ('proposed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('confirmed_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('confirmed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('connection', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='mappings', to='governance.pipelineconnection')),
                ('ended_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('proposed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['repository', 'place', 'application'],
            },
        ),
        migrations.CreateModel(
            name='PipelineReview',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=400)),
                ('repository_id', models.BigIntegerField()),
                ('repository', models.CharField(max_length=255)),
                ('place', models.CharField(max_length=255)),
                ('sha', models.CharField(max_length=64)),
                ('ref', models.CharField(max_length=255)),
                ('facts', models.JSONField(default=dict)),
                ('state', models.CharField(choices=[('open', 'To be answered'), ('waiting', 'Waits for the gate'), ('answered', 'Answered'), ('undecided', 'Left undecided'), ('overtaken', 'Decided elsewhere'), ('failed', 'Could not be answered')], default='open', max_length=10)),
                ('word', models.CharField(blank=True, help_text='passed, failed or pending, as it was last ruled', max_length=8)),
                ('why', models.CharField(blank=True, max_length=500)),
                ('verdict_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=list, size=None)),
                ('seen', models.BigIntegerField(default=0, help_text='The newest verdict of all when it was last ruled')),
                ('ruled_at', models.DateTimeField(blank=True, null=True)),
                ('sent', models.CharField(blank=True, help_text='The word of a call whose answer is not known', max_length=8)),
                ('reported', models.CharField(blank=True, help_text='Digest of the last status report', max_length=64)),
                ('reports', models.PositiveSmallIntegerField(default=0)),
                ('asked', models.PositiveIntegerField(default=0, help_text='Times that the gate did not know')),
                ('attempts', models.PositiveIntegerField(default=0, help_text='Calls in a row that were not taken')),
                ('next_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('waits_until', models.DateTimeField()),
                ('last_status', models.PositiveIntegerField(blank=True, null=True)),
                ('last_error', models.CharField(blank=True, max_length=500)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('connection', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reviews', to='governance.pipelineconnection')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='PipelineDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=71)),
                ('delivery_id', models.CharField(blank=True, max_length=64)),
                ('event', models.CharField(blank=True, max_length=60)),
                ('outcome', models.CharField(choices=[('taken', 'Taken'), ('ignored', 'Asks for nothing'), ('refused', 'Refused')], max_length=8)),
                ('why', models.CharField(blank=True, max_length=500)),
                ('times', models.PositiveIntegerField(default=1)),
                ('first_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('last_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('connection', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='governance.pipelineconnection')),
                ('review', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='governance.pipelinereview')),
            ],
            options={
                'verbose_name_plural': 'pipeline deliveries',
                'ordering': ['-id'],
            },
        ),
        migrations.AddConstraint(
            model_name='pipelineconnection',
            constraint=models.CheckConstraint(condition=models.Q(('confirmed_by', None), models.Q(('confirmed_by', models.F('proposed_by')), _negated=True), _connector='OR'), name='pipeline_connection_by_two_people'),
        ),
        migrations.AddConstraint(
            model_name='pipelineconnection',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('confirmed_at', None), ('confirmed_by', None)), models.Q(('confirmed_at__isnull', False), ('confirmed_by__isnull', False)), _connector='OR'), name='pipeline_connection_confirmed_by_somebody'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pipelineconnection',
            trigger=pgtrigger.compiler.Trigger(name='pipeline_connection_never_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='bf7e4618ea22cd0944b4c9f12d0e2bc40e52beab', operation='DELETE', pgid='pgtrigger_pipeline_connection_never_deleted_6f307', table='governance_pipelineconnection', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pipelineconnection',
            trigger=pgtrigger.compiler.Trigger(name='pipeline_connection_stays', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nif (new.key, new.provider, new.api_url, new.app_id, new.webhook_secret_ref, new.old_webhook_secret_ref,\n    new.credential_ref, new.owner_team_id, new.wait_minutes, new.at_the_end, new.tells_reasons, new.proposed_by_id)\n   is distinct from\n   (old.key, old.provider, old.api_url, old.app_id, old.webhook_secret_ref, old.old_webhook_secret_ref,\n    old.credential_ref, old.owner_team_id, old.wait_minutes, old.at_the_end, old.tells_reasons, old.proposed_by_id)\n   or (old.confirmed_at is not null\n       and (new.confirmed_at, new.confirmed_by_id) is distinct from (old.confirmed_at, old.confirmed_by_id))\n   or (old.ended_at is not null and new.ended_at is distinct from old.ended_at) then\n  raise exception using errcode = 'check_violation', constraint = 'pipeline_connection_stays',\n    message = 'a pipeline connection is never rewritten; end it and propose another one';\nend if;\nreturn new;\n", hash='917cc8f064ed3060cc7cddd37171f8fbdbfa9745', operation='UPDATE', pgid='pgtrigger_pipeline_connection_stays_5f4aa', table='governance_pipelineconnection', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='pipelinemapping',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('connection', 'repository_id', 'place', 'application'), name='one_live_pipeline_mapping'),
        ),
        migrations.AddConstraint(
            model_name='pipelinemapping',
            constraint=models.CheckConstraint(condition=models.Q(('confirmed_by', None), models.Q(('confirmed_by', models.F('proposed_by')), _negated=True), _connector='OR'), name='pipeline_mapping_by_two_people'),
        ),
        migrations.AddConstraint(
            model_name='pipelinemapping',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('confirmed_at', None), ('confirmed_by', None)), models.Q(('confirmed_at__isnull', False), ('confirmed_by__isnull', False)), _connector='OR'), name='pipeline_mapping_confirmed_by_somebody'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pipelinemapping',
            trigger=pgtrigger.compiler.Trigger(name='pipeline_mapping_never_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='5cce86042ed2b8d45af097cbf1c243c0519639c5', operation='DELETE', pgid='pgtrigger_pipeline_mapping_never_deleted_febab', table='governance_pipelinemapping', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='pipelinemapping',
            trigger=pgtrigger.compiler.Trigger(name='pipeline_mapping_stays', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nif (new.connection_id, new.repository_id, new.repository, new.place, new.application, new.environment,\n    new.proposed_by_id)\n   is distinct from\n   (old.connection_id, old.repository_id, old.repository, old.place, old.application, old.environment,\n    old.proposed_by_id)\n   or (old.confirmed_at is not null\n       and (new.confirmed_at, new.confirmed_by_id) is distinct from (old.confirmed_at, old.confirmed_by_id))\n   or (old.ended_at is not null and new.ended_at is distinct from old.ended_at) then\n  raise exception using errcode = 'check_violation', constraint = 'pipeline_mapping_stays',\n    message = 'what a repository is mapped to is never rewritten; end it and propose another one';\nend if;\nreturn new;\n", hash='b0d561889d361cce4683b0f2172049fcc4ccc087', operation='UPDATE', pgid='pgtrigger_pipeline_mapping_stays_a240f', table='governance_pipelinemapping', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='pipelinereview',
            index=models.Index(condition=models.Q(('state__in', ['open', 'waiting'])), fields=['next_at'], name='pipeline_review_due'),
        ),
        migrations.AddIndex(
            model_name='pipelinereview',
            index=models.Index(fields=['connection', '-id'], name='pipeline_review_newest'),
        ),
        migrations.AddConstraint(
            model_name='pipelinereview',
            constraint=models.UniqueConstraint(fields=('connection', 'key'), name='one_review_of_a_pipeline'),
        ),
        migrations.AddConstraint(
            model_name='pipelinedelivery',
            constraint=models.UniqueConstraint(fields=('connection', 'digest'), name='pipeline_webhook_once'),
        ),
    ]
