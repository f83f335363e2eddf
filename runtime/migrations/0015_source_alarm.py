"""Alarms of sources. The index that finds the last look at a source comes later, concurrently."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runtime', '0014_not_arrived'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='SourceAlarm',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(max_length=80)),
                ('since', models.DateTimeField()),
                ('reason', models.TextField(blank=True, db_default='')),
                ('raised_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        # `0033_run_looked` makes it, without keeping runs from being written meanwhile.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(
                    model_name='run',
                    index=models.Index(condition=models.Q(('kind', 'collect'), ('state', 'succeeded')), fields=['stream', '-id'], name='run_looked'),
                ),
            ],
        ),
        migrations.AddField(
            model_name='sourcealarm',
            name='stream',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='source_alarms', to='runtime.stream'),
        ),
        migrations.AddConstraint(
            model_name='sourcealarm',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('stream', 'source'), name='source_alarm_once'),
        ),
    ]
