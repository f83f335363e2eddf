"""What comes beyond the rejected messages and conflicts that are kept in a day is counted."""


import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runtime', "0056_leases_after_a_step"),
    ]

    operations = [
        migrations.CreateModel(
            name='UnkeptCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('rejected', 'Rejected'), ('conflict', 'Conflict')], max_length=8)),
                ('source', models.CharField(blank=True, db_default='', max_length=80)),
                ('day', models.DateField()),
                ('counted', models.BigIntegerField()),
                ('last_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('stream', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='unkept', to='runtime.stream')),
            ],
            options={
                'db_table': 'runtime_unkept',
                'ordering': ['-day', 'id'],
                'constraints': [models.UniqueConstraint(fields=('stream', 'kind', 'source', 'day'), name='unkept_once')],
            },
        ),
    ]
