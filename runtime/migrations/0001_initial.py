
import datetime
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import runtime.models.log
from django.conf import settings
from django.db import migrations, models


# Partitioned by month of arrival: retention drops partitions, so the log leaves no dead rows behind.
MESSAGE = """
create table runtime_message (
  stream_id smallint not null, lane smallint not null, position bigint not null, received_at timestamptz not null default clock_timestamp(),
  key text collate "C" not null, version bigint, previous bigint not null default 0, release_id bigint, run_id bigint,
  correlation varchar(64), causation varchar(64), traceparent varchar(55), payload json not null,
  primary key (stream_id, lane, position, received_at)) partition by range (received_at);
create table runtime_message_default partition of runtime_message default;
create index runtime_message_correlation on runtime_message (correlation) where correlation is not null;
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('governance', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Worker',
            fields=[
                ('name', models.CharField(max_length=120, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=10)),
                ('shards', models.JSONField(default=list)),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('beat_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('claimed_at', models.DateTimeField(blank=True, null=True)),
                ('draining', models.BooleanField(db_default=False)),
            ],
        ),
        migrations.CreateModel(
            name='Integration',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.SlugField(max_length=80, unique=True)),
                ('title', models.CharField(max_length=120)),
                ('domain_key', models.CharField(max_length=80)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('owner_team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='auth.group')),
            ],
            options={
                'ordering': ['key'],
            },
        ),
        migrations.CreateModel(
            name='Release',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=71)),
                ('manifest', models.JSONField()),
                ('tier', models.PositiveSmallIntegerField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('integration', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='releases', to='runtime.integration')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='EntityWrite',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('target', models.CharField(max_length=80)),
                ('entity', models.CharField(max_length=80)),
                ('attribute_group', models.CharField(max_length=80, null=True)),
                ('kind', models.CharField(choices=[('replica', 'Replica'), ('command', 'Command')], max_length=8)),
                ('scope', models.JSONField(default=dict)),
                ('source_system', models.CharField(max_length=80)),
                ('target_system', models.CharField(max_length=80)),
                ('release', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='writes', to='runtime.release')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Pin',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(max_length=80)),
                ('reference', models.CharField(max_length=160)),
                ('version_id', models.BigIntegerField()),
                ('contract_digest', models.CharField(max_length=71)),
                ('release', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='pins', to='runtime.release')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Deployment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('environment', models.CharField(max_length=40)),
                ('kind', models.CharField(choices=[('deploy', 'Deploy'), ('rollback', 'Rollback')], default='deploy', max_length=10)),
                ('active', models.BooleanField(default=True)),
                ('paused', models.BooleanField(default=False)),
                ('pause_reason', models.TextField(blank=True)),
                ('deployed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('approval', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='governance.approval')),
                ('deployed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('integration', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='deployments', to='runtime.integration')),
                ('release', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='deployments', to='runtime.release')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Run',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('collect', 'Collect'), ('intake', 'Intake'), ('replay', 'Replay')], default='collect', max_length=8)),
                ('trigger', models.CharField(choices=[('schedule', 'Schedule'), ('manual', 'Manual'), ('intake', 'Intake')], max_length=10)),
                ('state', models.CharField(choices=[('running', 'Running'), ('succeeded', 'Succeeded'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='running', max_length=9)),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('beat_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('expected', models.BigIntegerField(blank=True, null=True)),
                ('read', models.BigIntegerField(db_default=0)),
                ('accepted', models.BigIntegerField(db_default=0)),
                ('unchanged', models.BigIntegerField(db_default=0)),
                ('older', models.BigIntegerField(db_default=0)),
                ('rejected_count', models.BigIntegerField(db_default=0)),
                ('conflicts', models.BigIntegerField(db_default=0)),
                ('error', models.TextField(blank=True, db_default='')),
                ('traceparent', models.CharField(blank=True, db_default='', max_length=55)),
                ('deployment', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='runtime.deployment')),
                ('integration', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='runtime.integration')),
                ('started_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='RunSpan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('lane', models.PositiveSmallIntegerField()),
                ('first', models.BigIntegerField()),
                ('last', models.BigIntegerField()),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='spans', to='runtime.run')),
            ],
        ),
        migrations.CreateModel(
            name='Schedule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('environment', models.CharField(max_length=40)),
                ('expression', models.CharField(max_length=80)),
                ('zone', models.CharField(default='UTC', max_length=60)),
                ('skipped', models.CharField(choices=[('shift', 'Run at the first moment after'), ('skip', 'Leave out')], default='shift', max_length=5)),
                ('repeated', models.CharField(choices=[('first', 'First'), ('second', 'Second'), ('both', 'Both')], default='first', max_length=6)),
                ('enabled', models.BooleanField(default=True)),
                ('next_due_at', models.DateTimeField(blank=True, null=True)),
                ('integration', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='schedules', to='runtime.integration')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Firing',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('due_at', models.DateTimeField()),
                ('fired_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('outcome', models.CharField(db_default='fired', max_length=12)),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='runtime.run')),
                ('schedule', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='firings', to='runtime.schedule')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Stream',
            fields=[
                ('id', models.SmallAutoField(primary_key=True, serialize=False)),
                ('environment', models.CharField(max_length=40)),
                ('lanes', models.PositiveSmallIntegerField(default=4)),
                ('immutable', models.BooleanField(default=False)),
                ('salt', models.BigIntegerField(default=runtime.models.log.new_salt)),
                ('cursor', models.JSONField(blank=True, null=True)),
                ('token', models.BigIntegerField(db_default=0)),
                ('lease_until', models.DateTimeField(db_default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))),
                ('owner', models.CharField(blank=True, db_default='', max_length=120)),
                ('integration', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='streams', to='runtime.integration')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.AddField(
            model_name='run',
            name='stream',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='runtime.stream'),
        ),
        migrations.CreateModel(
            name='Rejected',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('key', models.TextField(blank=True, db_default='')),
                ('digest', models.CharField(max_length=32)),
                ('reason_class', models.CharField(max_length=20)),
                ('fingerprint', models.CharField(max_length=16)),
                ('reason', models.TextField()),
                ('raw', models.TextField()),
                ('seen', models.IntegerField(db_default=1)),
                ('last_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('state', models.CharField(choices=[('open', 'Open'), ('fixed', 'Fixed'), ('dismissed', 'Dismissed')], db_default='open', max_length=9)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('note', models.TextField(blank=True, db_default='')),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='rejected', to='runtime.run')),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rejected', to='runtime.stream')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(MESSAGE, "drop table runtime_message")],
            state_operations=[
                migrations.CreateModel(
                    name='Message',
                    fields=[
                        ('pk', models.CompositePrimaryKey('stream_id', 'lane', 'position', 'received_at', blank=True, editable=False, primary_key=True, serialize=False)),
                        ('lane', models.PositiveSmallIntegerField()),
                        ('position', models.BigIntegerField()),
                        ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ('key', models.TextField(db_collation='C')),
                        ('version', models.BigIntegerField(null=True)),
                        ('previous', models.BigIntegerField(default=0)),
                        ('correlation', models.CharField(max_length=64, null=True)),
                        ('causation', models.CharField(max_length=64, null=True)),
                        ('traceparent', models.CharField(max_length=55, null=True)),
                        ('payload', runtime.models.log.JsonDocument()),
                        ('release', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runtime.release')),
                        ('run', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runtime.run')),
                        ('stream', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runtime.stream')),
                    ],
                ),
            ],
        ),
        migrations.CreateModel(
            name='Lane',
            fields=[
                ('pk', models.CompositePrimaryKey('stream_id', 'lane', blank=True, editable=False, primary_key=True, serialize=False)),
                ('lane', models.PositiveSmallIntegerField()),
                ('next', models.BigIntegerField(db_default=1)),
                ('stream', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='counters', to='runtime.stream')),
            ],
        ),
        migrations.CreateModel(
            name='Head',
            fields=[
                ('pk', models.CompositePrimaryKey('stream_id', 'key', blank=True, editable=False, primary_key=True, serialize=False)),
                ('key', models.TextField(db_collation='C')),
                ('hash', models.BigIntegerField()),
                ('version', models.BigIntegerField()),
                ('position', models.BigIntegerField()),
                ('stream', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runtime.stream')),
            ],
        ),
        migrations.CreateModel(
            name='Conflict',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.TextField(db_collation='C')),
                ('held_position', models.BigIntegerField()),
                ('hash', models.BigIntegerField()),
                ('payload', runtime.models.log.JsonDocument()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('last_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('seen', models.IntegerField(db_default=1)),
                ('state', models.CharField(choices=[('open', 'Open'), ('kept', 'Held one kept'), ('replaced', 'Corrected')], db_default='open', max_length=9)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('note', models.TextField(blank=True, db_default='')),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='conflicts', to='runtime.stream')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Subscription',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('target', models.CharField(max_length=80)),
                ('instance', models.CharField(blank=True, default='', max_length=80)),
                ('kind', models.CharField(choices=[('database', 'Database'), ('vendor', 'Vendor'), ('dry', 'Dry run')], max_length=8)),
                ('idempotency', models.CharField(choices=[('K', 'Key honoured'), ('N', 'Natural key'), ('L', 'Look up first'), ('U', 'Unsafe')], max_length=1)),
                ('coalesce', models.BooleanField(default=False)),
                ('batch', models.PositiveIntegerField(default=500)),
                ('max_attempts', models.PositiveSmallIntegerField(default=5)),
                ('tier', models.PositiveSmallIntegerField(default=2)),
                ('open', models.BooleanField(default=True)),
                ('pace', models.FloatField(blank=True, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('deployment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='subscriptions', to='runtime.deployment')),
                ('replay_of', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replays', to='runtime.subscription')),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='subscriptions', to='runtime.stream')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Progress',
            fields=[
                ('pk', models.CompositePrimaryKey('subscription_id', 'lane', blank=True, editable=False, primary_key=True, serialize=False)),
                ('lane', models.PositiveSmallIntegerField()),
                ('position', models.BigIntegerField(db_default=0)),
                ('upto', models.BigIntegerField(blank=True, null=True)),
                ('intent', models.BigIntegerField(blank=True, null=True)),
                ('intent_release', models.BigIntegerField(blank=True, null=True)),
                ('ask_only', models.BooleanField(db_default=False)),
                ('attempt', models.IntegerField(db_default=0)),
                ('token', models.BigIntegerField(db_default=0)),
                ('lease_until', models.DateTimeField(db_default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))),
                ('not_before', models.DateTimeField(db_default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))),
                ('owner', models.CharField(blank=True, max_length=120, null=True)),
                ('subscription', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='progress', to='runtime.subscription')),
            ],
        ),
        migrations.CreateModel(
            name='Parked',
            fields=[
                ('pk', models.CompositePrimaryKey('subscription_id', 'lane', 'position', blank=True, editable=False, primary_key=True, serialize=False)),
                ('lane', models.PositiveSmallIntegerField()),
                ('position', models.BigIntegerField()),
                ('key', models.TextField(db_collation='C')),
                ('state', models.CharField(choices=[('retry', 'Retry'), ('sending', 'Sending'), ('behind', 'Behind'), ('dead', 'Dead letter'), ('unknown', 'Unknown outcome')], max_length=8)),
                ('reason_class', models.CharField(db_default='', max_length=20)),
                ('fingerprint', models.CharField(db_default='', max_length=16)),
                ('reason', models.TextField(db_default='')),
                ('attempt', models.IntegerField(db_default=0)),
                ('first_seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('not_before', models.DateTimeField(db_default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))),
                ('token', models.BigIntegerField(db_default=0)),
                ('lease_until', models.DateTimeField(db_default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))),
                ('ask_only', models.BooleanField(db_default=False)),
                ('intent_release', models.BigIntegerField(blank=True, null=True)),
                ('payload', runtime.models.log.JsonDocument(blank=True, null=True)),
                ('subscription', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='parked', to='runtime.subscription')),
            ],
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('lane', models.PositiveSmallIntegerField()),
                ('first', models.BigIntegerField()),
                ('last', models.BigIntegerField()),
                ('token', models.BigIntegerField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('outcome', models.CharField(max_length=12)),
                ('confirmed', models.IntegerField(default=0)),
                ('superseded', models.IntegerField(default=0)),
                ('skipped', models.IntegerField(default=0)),
                ('refused', models.IntegerField(default=0)),
                ('waiting', models.IntegerField(default=0)),
                ('references', models.JSONField(db_column='refs', null=True)),
                ('release', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runtime.release')),
                ('subscription', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='runtime.subscription')),
            ],
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('lane', models.PositiveSmallIntegerField()),
                ('first', models.BigIntegerField()),
                ('last', models.BigIntegerField()),
                ('token', models.BigIntegerField()),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('outcome', models.CharField(max_length=12)),
                ('detail', models.TextField(db_default='')),
                ('reference', models.CharField(blank=True, max_length=200, null=True)),
                ('release', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runtime.release')),
                ('subscription', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to='runtime.subscription')),
            ],
        ),
        migrations.CreateModel(
            name='VendorState',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('system_key', models.CharField(max_length=80)),
                ('instance', models.CharField(blank=True, default='', max_length=80)),
                ('environment', models.CharField(max_length=40)),
                ('breaker', models.CharField(choices=[('closed', 'Closed'), ('open', 'Open')], db_default='closed', max_length=6)),
                ('failures', models.IntegerField(db_default=0)),
                ('openings', models.IntegerField(db_default=0)),
                ('open_until', models.DateTimeField(db_default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))),
                ('probe_subscription', models.BigIntegerField(blank=True, null=True)),
                ('probe_lane', models.SmallIntegerField(blank=True, null=True)),
                ('probe_until', models.DateTimeField(db_default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))),
                ('not_before', models.DateTimeField(db_default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))),
                ('rate', models.FloatField(blank=True, null=True)),
                ('burst', models.FloatField(blank=True, null=True)),
                ('allowance', models.FloatField(db_default=0)),
                ('refilled_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('concurrency', models.IntegerField(blank=True, null=True)),
                ('budget', models.BigIntegerField(blank=True, null=True)),
                ('spent', models.BigIntegerField(db_default=0)),
                ('spent_on', models.DateField(db_default=django.db.models.expressions.RawSQL('current_date', []))),
                ('last_error', models.TextField(blank=True, db_default='')),
                ('last_error_at', models.DateTimeField(blank=True, null=True)),
                ('last_success_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['system_key', 'instance', 'environment'],
                'constraints': [models.UniqueConstraint(fields=('system_key', 'instance', 'environment'), name='vendor_state_once')],
            },
        ),
        migrations.AddField(
            model_name='subscription',
            name='vendor',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='subscriptions', to='runtime.vendorstate'),
        ),
        migrations.AddConstraint(
            model_name='release',
            constraint=models.UniqueConstraint(fields=('integration', 'digest'), name='release_once_per_digest'),
        ),
        migrations.AddConstraint(
            model_name='pin',
            constraint=models.UniqueConstraint(fields=('release', 'role'), name='pin_once_per_role'),
        ),
        migrations.AddConstraint(
            model_name='deployment',
            constraint=models.UniqueConstraint(condition=models.Q(('active', True)), fields=('integration', 'environment'), name='deployment_one_active'),
        ),
        migrations.AddConstraint(
            model_name='deployment',
            constraint=models.CheckConstraint(condition=models.Q(('active', True), ('ended_at__isnull', False), _connector='XOR'), name='deployment_ended_or_active'),
        ),
        migrations.AddIndex(
            model_name='schedule',
            index=models.Index(condition=models.Q(('enabled', True)), fields=['next_due_at'], name='schedule_due'),
        ),
        migrations.AddConstraint(
            model_name='schedule',
            constraint=models.UniqueConstraint(fields=('integration', 'environment'), name='schedule_once'),
        ),
        migrations.AddConstraint(
            model_name='firing',
            constraint=models.UniqueConstraint(fields=('schedule', 'due_at'), name='firing_once'),
        ),
        migrations.AddConstraint(
            model_name='stream',
            constraint=models.UniqueConstraint(fields=('integration', 'environment'), name='stream_once'),
        ),
        migrations.AddConstraint(
            model_name='stream',
            constraint=models.CheckConstraint(condition=models.Q(('lanes__gte', 1), ('lanes__lte', 255)), name='stream_lanes'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['integration', '-id'], name='run_by_integration'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.CheckConstraint(condition=models.Q(('state', 'running'), ('ended_at__isnull', False), _connector='XOR'), name='run_ended_or_running'),
        ),
        migrations.AddConstraint(
            model_name='run',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'collect'), ('state', 'running')), fields=('stream',), name='run_one_collecting'),
        ),
        migrations.AddIndex(
            model_name='rejected',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['stream', 'fingerprint'], name='rejected_open'),
        ),
        migrations.AddConstraint(
            model_name='rejected',
            constraint=models.UniqueConstraint(fields=('stream', 'digest'), name='rejected_once'),
        ),
        migrations.AddConstraint(
            model_name='conflict',
            constraint=models.UniqueConstraint(fields=('stream', 'key', 'hash'), name='conflict_once'),
        ),
        migrations.AddIndex(
            model_name='parked',
            index=models.Index(fields=['subscription', 'key', 'position'], name='parked_by_key'),
        ),
        migrations.AddIndex(
            model_name='parked',
            index=models.Index(condition=models.Q(('state__in', ['dead', 'unknown'])), fields=['subscription', 'fingerprint'], name='parked_dead'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['subscription', 'lane', 'last'], name='delivery_by_position'),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(fields=['subscription', 'lane', 'last'], name='attempt_by_position'),
        ),
        migrations.AddConstraint(
            model_name='subscription',
            constraint=models.UniqueConstraint(condition=models.Q(('replay_of', None)), fields=('stream', 'target', 'instance'), name='subscription_once'),
        ),
        migrations.AddConstraint(
            model_name='subscription',
            constraint=models.CheckConstraint(condition=models.Q(('batch__gte', 1), ('batch__lte', 10000)), name='subscription_batch'),
        ),
    ]
