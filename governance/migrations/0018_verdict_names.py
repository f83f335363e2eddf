"""A verdict says which APIs it names; those of before are read instead."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("governance", "0017_write_stamps")]

    operations = [
        migrations.AddField(
            model_name="verdict",
            name="names",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=100), null=True, size=None
            ),
        ),
    ]
