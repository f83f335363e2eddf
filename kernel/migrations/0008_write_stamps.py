"""Stamps of who wrote to what the gate reads, so that a held verdict is asked about without reading it all again."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kernel", "0007_agents")]

    operations = [
        migrations.CreateModel(
            name="WriteStamp",
            fields=[
                ("xact", models.BigIntegerField(primary_key=True, serialize=False)),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True)),
            ],
        ),
    ]
