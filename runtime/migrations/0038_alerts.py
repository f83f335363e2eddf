"""Alert rules as data, with those that everybody begins with: one set for each tier."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

# Windows and factors of the Site Reliability Workbook; a tier that is checkout- or store-critical pages, others wait.
FIRST_RULES = """
insert into runtime_alertrule
       (name, kind, target, system_key, environment, tier, condition, factor, long, short, at_least, below, for_minutes,
        severity, inbox, email, webhook, teams, enabled)
select r.name || ', tier ' || t.tier, '', '', '', '', t.tier, r.condition, r.factor, r.long, r.short, 2, 0,
       r.for_minutes, case when t.tier <= 1 then r.critical else r.other end, true, true, true, '{}', true
  from (values (0), (1), (2), (3)) t (tier)
 cross join (values ('Fast burn', 'burn', 14.4, 60, 5, 0, 'page', 'ticket'),
                    ('Burn', 'burn', 6.0, 360, 30, 0, 'page', 'ticket'),
                    ('Slow burn', 'burn', 1.0, 4320, 360, 0, 'ticket', 'info'),
                    ('No longer measured', 'unmeasured', 0.0, 60, 5, 15, 'ticket', 'ticket'))
                   r (name, condition, factor, long, short, for_minutes, critical, other)"""


class Migration(migrations.Migration):

    dependencies = [
        ("runtime", "0037_conflicts_again"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('cause', models.CharField(max_length=200)),
                ('kind', models.CharField(max_length=10)),
                ('environment', models.CharField(blank=True, default='', max_length=40)),
                ('target', models.CharField(blank=True, default='', max_length=80)),
                ('system_key', models.CharField(blank=True, default='', max_length=80)),
                ('state', models.CharField(choices=[('open', 'Open'), ('resolved', 'Resolved'), ('joined', 'Part of another alert')], default='open', max_length=8)),
                ('severity', models.CharField(max_length=8)),
                ('title', models.CharField(max_length=250)),
                ('told', models.PositiveSmallIntegerField(default=0)),
                ('inbox', models.BooleanField(default=False)),
                ('email', models.BooleanField(default=False)),
                ('webhook', models.BooleanField(default=False)),
                ('teams', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), default=list, size=None)),
                ('opened_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('resolved_at', models.DateTimeField(blank=True, null=True)),
                ('acknowledged_until', models.DateTimeField(blank=True, null=True)),
                ('stream', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='alerts', to='runtime.stream')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='AlertEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('verb', models.CharField(choices=[('opened', 'Opened'), ('told', 'Told'), ('silent', 'Not told: silenced'), ('raised', 'Became more severe'), ('acknowledged', 'Acknowledged'), ('again', 'Acknowledgement ended, told again'), ('joined', 'Became a part of another alert'), ('resolved', 'Resolved')], max_length=12)),
                ('text', models.TextField(blank=True, default='')),
                ('more', models.JSONField(blank=True, null=True)),
                ('alert', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='entries', to='runtime.alert')),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'alert entries',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='AlertRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True)),
                ('kind', models.CharField(blank=True, default='', max_length=12)),
                ('target', models.CharField(blank=True, default='', max_length=80)),
                ('system_key', models.CharField(blank=True, default='', max_length=80)),
                ('environment', models.CharField(blank=True, default='', max_length=40)),
                ('tier', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('condition', models.CharField(max_length=12)),
                ('factor', models.FloatField(default=0)),
                ('long', models.PositiveIntegerField(default=60)),
                ('short', models.PositiveIntegerField(default=5)),
                ('at_least', models.FloatField(default=2)),
                ('below', models.FloatField(default=0)),
                ('for_minutes', models.PositiveIntegerField(default=0)),
                ('severity', models.CharField(max_length=8)),
                ('inbox', models.BooleanField(default=True)),
                ('email', models.BooleanField(default=True)),
                ('webhook', models.BooleanField(default=True)),
                ('teams', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), blank=True, default=list, size=None)),
                ('enabled', models.BooleanField(default=True)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('integration', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='alert_rules', to='runtime.integration')),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='AlertSignal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('text', models.CharField(blank=True, default='', max_length=250)),
                ('alert', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='signals', to='runtime.alert')),
                ('indicator', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='signals', to='runtime.serviceindicator')),
                ('rule', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='signals', to='runtime.alertrule')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='AlertSilence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(blank=True, default='', max_length=12)),
                ('target', models.CharField(blank=True, default='', max_length=80)),
                ('system_key', models.CharField(blank=True, default='', max_length=80)),
                ('environment', models.CharField(blank=True, default='', max_length=40)),
                ('tier', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('until', models.DateTimeField()),
                ('reason', models.TextField()),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('ended_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('integration', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='alert_silences', to='runtime.integration')),
                ('set_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(fields=['stream', '-id'], name='alert_by_stream'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('cause',), name='alert_once_open'),
        ),
        migrations.AddConstraint(
            model_name='alertsignal',
            constraint=models.UniqueConstraint(fields=('rule', 'indicator'), name='alert_signal_once'),
        ),
        migrations.RunSQL(FIRST_RULES, migrations.RunSQL.noop),
    ]
