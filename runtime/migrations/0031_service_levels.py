"""Service levels: what is measured against which objective, by five minutes and by day; how long days are kept."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

FIRST_POLICY = """
insert into runtime_retention (data_class, days, since, reason)
values ('indicators', 400, clock_timestamp(), 'as installed')"""


class Migration(migrations.Migration):

    dependencies = [
        ('runtime', '0030_lanes'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='retentionpolicy',
            name='data_class',
            field=models.CharField(choices=[('messages', 'Messages'), ('evidence', 'Evidence of deliveries'), ('runs', 'Runs'), ('rejected', 'Settled rejects and conflicts'), ('comparisons', 'Comparisons with targets'), ('heads', 'Known keys of facts'), ('events', 'Events and webhooks'), ('indicators', 'Service levels by day')], max_length=11),
        ),
        migrations.CreateModel(
            name='LaneMark',
            fields=[
                ('pk', models.CompositePrimaryKey('stream_id', 'begins', blank=True, editable=False, primary_key=True, serialize=False)),
                ('begins', models.DateTimeField()),
                ('following', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ('stream', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='runtime.stream')),
            ],
            options={
                'db_table': 'runtime_lanemark',
                'ordering': ['begins'],
            },
        ),
        migrations.CreateModel(
            name='ObjectivePolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=12)),
                ('target', models.CharField(blank=True, default='', max_length=80)),
                ('system_key', models.CharField(blank=True, default='', max_length=80)),
                ('environment', models.CharField(blank=True, default='', max_length=40)),
                ('tier', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('share', models.DecimalField(blank=True, decimal_places=3, max_digits=6, null=True)),
                ('limit_s', models.FloatField(blank=True, null=True)),
                ('reason', models.TextField()),
                ('set_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('integration', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='objective_policies', to='runtime.integration')),
                ('set_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'runtime_objectivepolicy',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='ServiceIndicator',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=12)),
                ('environment', models.CharField(max_length=40)),
                ('target', models.CharField(blank=True, default='', max_length=80)),
                ('system_key', models.CharField(max_length=80)),
                ('tier', models.PositiveSmallIntegerField(default=3)),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('active', models.BooleanField(default=True)),
                ('share', models.DecimalField(blank=True, decimal_places=3, max_digits=6, null=True)),
                ('limit_s', models.FloatField(blank=True, null=True)),
                ('source', models.CharField(blank=True, default='', max_length=10)),
                ('reason', models.CharField(blank=True, default='', max_length=200)),
                ('paused', models.BooleanField(default=False)),
                ('answered', models.FloatField(blank=True, null=True)),
                ('unanswered', models.FloatField(blank=True, null=True)),
                ('looked_at', models.DateTimeField(blank=True, null=True)),
                ('evaluated_at', models.DateTimeField(blank=True, null=True)),
                ('standing', models.JSONField(default=dict)),
                ('stream', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='runtime.stream')),
            ],
            options={
                'db_table': 'runtime_indicator',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='ObjectiveChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('share', models.DecimalField(blank=True, decimal_places=3, max_digits=6, null=True)),
                ('limit_s', models.FloatField(blank=True, null=True)),
                ('source', models.CharField(blank=True, max_length=10)),
                ('said', models.CharField(blank=True, max_length=200)),
                ('indicator', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='objectives', to='runtime.serviceindicator')),
            ],
            options={
                'db_table': 'runtime_objective',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='IndicatorPeriod',
            fields=[
                ('pk', models.CompositePrimaryKey('indicator_id', 'begins', blank=True, editable=False, primary_key=True, serialize=False)),
                ('begins', models.DateTimeField()),
                ('minutes', models.SmallIntegerField(db_default=0)),
                ('looked', models.FloatField(db_default=0)),
                ('counted', models.FloatField(db_default=0)),
                ('good', models.FloatField(db_default=0)),
                ('allowed', models.FloatField(db_default=0)),
                ('paused', models.FloatField(db_default=0)),
                ('pending', models.FloatField(db_default=0)),
                ('histogram', models.JSONField(null=True)),
                ('again_at', models.DateTimeField(null=True)),
                ('indicator', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='periods', to='runtime.serviceindicator')),
            ],
            options={
                'db_table': 'runtime_indicatorperiod',
            },
        ),
        migrations.CreateModel(
            name='IndicatorDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('looked', models.FloatField(db_default=0)),
                ('counted', models.FloatField(db_default=0)),
                ('good', models.FloatField(db_default=0)),
                ('allowed', models.FloatField(db_default=0)),
                ('paused', models.FloatField(db_default=0)),
                ('pending', models.FloatField(db_default=0)),
                ('histogram', models.JSONField(null=True)),
                ('indicator', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='days', to='runtime.serviceindicator')),
            ],
            options={
                'db_table': 'runtime_indicatorday',
            },
        ),
        migrations.AddConstraint(
            model_name='serviceindicator',
            constraint=models.UniqueConstraint(fields=('kind', 'environment', 'stream', 'target', 'system_key'), name='indicator_once', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='indicatorperiod',
            index=models.Index(fields=['begins'], name='indicator_period_by_time'),
        ),
        migrations.AddIndex(
            model_name='indicatorperiod',
            index=models.Index(condition=models.Q(('again_at__isnull', False)), fields=['again_at'], name='indicator_period_again'),
        ),
        migrations.AddIndex(
            model_name='indicatorday',
            index=models.Index(fields=['day'], name='indicator_day_by_time'),
        ),
        migrations.AddConstraint(
            model_name='indicatorday',
            constraint=models.UniqueConstraint(fields=('indicator', 'day'), name='indicator_day_once'),
        ),
        migrations.RunSQL(FIRST_POLICY, migrations.RunSQL.noop),
    ]
