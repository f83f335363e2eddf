"""Sums by day of arrival, beside the log, and of a run how many of its messages are in it."""

import django.db.models.deletion
import django.db.models.functions.datetime
import runtime.models.day_sums
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runtime', '0040_begun'),
    ]

    operations = [
        migrations.CreateModel(
            name='DaySpan',
            fields=[
                ('pk', models.CompositePrimaryKey('stream_id', 'day', 'lane', 'month', blank=True, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runtime.stream')),
                ('day', models.DateField()),
                ('lane', models.PositiveSmallIntegerField()),
                ('month', models.DateField()),
                ('first', models.BigIntegerField()),
                ('last', models.BigIntegerField()),
            ],
            options={
                'db_table': 'runtime_dayspan',
            },
        ),
        migrations.CreateModel(
            name='DaySum',
            fields=[
                ('pk', models.CompositePrimaryKey('stream_id', 'day', 'target', 'code', 'business', 'store', 'currency', 'lane', 'month', blank=True, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runtime.stream')),
                ('day', models.DateField()),
                ('target', models.CharField(blank=True, db_collation='C', max_length=80)),
                ('code', models.CharField(blank=True, db_collation='C', max_length=1)),
                ('business', models.CharField(blank=True, db_collation='C', max_length=10)),
                ('store', models.CharField(blank=True, db_collation='C', max_length=80)),
                ('currency', models.CharField(blank=True, db_collation='C', max_length=3)),
                ('lane', models.SmallIntegerField(db_default=-1)),
                ('month', models.DateField()),
                ('number', models.BigIntegerField(db_default=0)),
                ('amount', runtime.models.day_sums.AnyDecimal(db_default=0)),
                ('unknown', models.BigIntegerField(db_default=0)),
            ],
            options={
                'db_table': 'runtime_daysum',
            },
        ),
        migrations.CreateModel(
            name='DaySumCursor',
            fields=[
                ('pk', models.CompositePrimaryKey('stream_id', 'about', 'lane', blank=True, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runtime.stream')),
                ('about', models.CharField(db_collation='C', max_length=90)),
                ('lane', models.PositiveSmallIntegerField()),
                ('done', models.BigIntegerField(db_default=0)),
                ('zone', models.CharField(db_default='', max_length=80)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'db_table': 'runtime_daysumcursor',
            },
        ),
        migrations.CreateModel(
            name='TillNumbers',
            fields=[
                ('pk', models.CompositePrimaryKey('stream_id', 'day', 'business', 'store', 'till', 'month', blank=True, editable=False, primary_key=True, serialize=False)),
                ('stream', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='runtime.stream')),
                ('day', models.DateField()),
                ('business', models.CharField(db_collation='C', max_length=10)),
                ('store', models.CharField(db_collation='C', max_length=80)),
                ('till', models.CharField(db_collation='C', max_length=80)),
                ('month', models.DateField()),
                ('numbers', runtime.models.day_sums.NumberRanges()),
            ],
            options={
                'db_table': 'runtime_tillnumbers',
            },
        ),
        migrations.AddField(
            model_name='run',
            name='logged',
            field=models.BigIntegerField(blank=True, null=True),
        ),
    ]
