"""When a source was read to its end, what a run met, and reading again. New columns are nullable or have a constant default."""

import datetime
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('governance', '0007_current_sql'),
        ('runtime', '0009_connection_fault'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='rejectedmessage',
            name='source',
            field=models.CharField(blank=True, db_default='', max_length=80),
        ),
        migrations.AddField(
            model_name='run',
            name='fences',
            field=models.IntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name='run',
            name='limit_waived',
            field=models.BooleanField(db_default=False),
        ),
        migrations.AddField(
            model_name='run',
            name='start_cursor',
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='run',
            name='tally',
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='run',
            name='warned',
            field=models.IntegerField(db_default=0),
        ),
        migrations.AddField(
            model_name='run',
            name='warnings',
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='stream',
            name='not_before',
            field=models.DateTimeField(db_default=datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)),
        ),
        migrations.AddField(
            model_name='stream',
            name='read_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='stream',
            name='wait_reason',
            field=models.TextField(blank=True, db_default=''),
        ),
        migrations.CreateModel(
            name='ReadAgain',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(blank=True, default='', max_length=80)),
                ('since', models.DateTimeField(blank=True, null=True)),
                ('state', models.CharField(choices=[('planned', 'Planned'), ('started', 'Started'), ('cancelled', 'Cancelled')], default='planned', max_length=9)),
                ('messages', models.BigIntegerField()),
                ('needs_approval', models.BooleanField(default=False)),
                ('digest', models.CharField(blank=True, default='', max_length=71)),
                ('reason', models.TextField()),
                ('planned_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('cursor_before', models.JSONField(blank=True, null=True)),
                ('approval', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='governance.approval')),
                ('planned_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='reads_again', to='runtime.run')),
                ('started_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='readings', to='runtime.stream')),
            ],
            options={
                'ordering': ['-id'],
                'indexes': [models.Index(fields=['digest'], name='read_again_by_digest')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('state', 'started'), _negated=True), ('started_at__isnull', False), _connector='OR'), name='read_again_started_has_time')],
            },
        ),
    ]
