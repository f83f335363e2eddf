"""An approval binds where the systems of its release answer; what was approved before is bound to where they answer now."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('governance', '0025_destinations'),
        ('runtime', '0063_after_subjects'),
    ]

    operations = [
        migrations.CreateModel(
            name='ApprovedDestination',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('system_key', models.CharField(max_length=80)),
                ('environment', models.CharField(max_length=60)),
                ('digest', models.CharField(blank=True, max_length=71)),
                ('bound_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('approval', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='governance.approval')),
                ('moved_by', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='governance.approval')),
            ],
            options={
                'ordering': ['id'],
                'indexes': [models.Index(fields=['system_key', 'environment'], name='destination_by_system')],
                'constraints': [models.UniqueConstraint(fields=('approval', 'system_key'), name='destination_once_per_approval')],
            },
        ),
    ]
