"""Where a system answers has a digest, which the database computes; every destination is kept under its own."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0019_second_factors'),
    ]

    operations = [
        migrations.CreateModel(
            name='Destination',
            fields=[
                ('digest', models.CharField(max_length=71, primary_key=True, serialize=False)),
                ('document', models.JSONField()),
                ('first_seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ['first_seen_at'],
            },
        ),
        migrations.AddField(
            model_name='systemendpoint',
            name='destination',
            field=models.CharField(db_default='', editable=False, help_text='Digest of all of it, written by the database: what approvals of integrations are compared with', max_length=71),
        ),
    ]
