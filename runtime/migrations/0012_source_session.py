"""Whose database session reads a source: once that has ended, nobody waits for the lease. Nullable: no row is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('runtime', "0011_key_epochs"),
    ]

    operations = [
        migrations.AddField(
            model_name='stream',
            name='session',
            field=models.IntegerField(blank=True, null=True),
        ),
    ]
