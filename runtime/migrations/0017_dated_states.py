"""States with a period, and the moments at which another state begins to count."""

import django.db.models.deletion
import runtime.models.log
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runtime', '0016_outcomes_by_position'),
    ]

    operations = [
        migrations.CreateModel(
            name='DatedState',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', models.TextField(db_collation='C')),
                ('record', models.TextField(db_collation='C')),
                ('position', models.BigIntegerField()),
                ('version', models.BigIntegerField()),
                ('begins', models.CharField(db_default='', max_length=40)),
                ('ends', models.CharField(db_default='', max_length=40)),
                ('zone', models.CharField(db_default='', max_length=60)),
                ('withdrawn', models.BooleanField(db_default=False)),
                ('payload', runtime.models.log.JsonDocument()),
                ('stream', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='dated_states', to='runtime.stream')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('stream', 'subject', 'record'), name='dated_state_once')],
            },
        ),
        migrations.CreateModel(
            name='ValidityMoment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', models.TextField(db_collation='C')),
                ('record', models.TextField(db_collation='C')),
                ('zone', models.CharField(max_length=60)),
                ('at', models.DateTimeField()),
                ('kind', models.CharField(choices=[('begins', 'Begins'), ('ends', 'Ends'), ('changed', 'Was changed')], max_length=7)),
                ('fired_at', models.DateTimeField(blank=True, null=True)),
                ('position', models.BigIntegerField(blank=True, null=True)),
                ('of_position', models.BigIntegerField(blank=True, null=True)),
                ('stream', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='moments', to='runtime.stream')),
            ],
            options={
                'ordering': ['at'],
                'indexes': [models.Index(condition=models.Q(('fired_at', None)), fields=['at'], name='validity_moment_due'), models.Index(condition=models.Q(('position__isnull', False)), fields=['stream', 'subject'], name='validity_moment_copy')],
                'constraints': [models.UniqueConstraint(fields=('stream', 'subject', 'record', 'zone', 'at', 'kind'), name='validity_moment_once')],
            },
        ),
    ]
