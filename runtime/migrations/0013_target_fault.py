"""Faults of the connection of one target alone, and of a source; who met the fault of a vendor. Constant defaults: no
row is rewritten. Functions, views and triggers come from `runtime/sql/`."""

import datetime

from django.db import migrations, models

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class Migration(migrations.Migration):
    dependencies = [("runtime", "0012_source_session"), ("governance", "0007_current_sql")]

    operations = [
        migrations.AddField("vendorstate", "fault_subscription", models.BigIntegerField(blank=True, null=True)),
        migrations.AddField("targetsubscription", "fault", models.CharField(blank=True, db_default="", max_length=12)),
        migrations.AddField("targetsubscription", "fault_detail", models.TextField(blank=True, db_default="")),
        migrations.AddField("targetsubscription", "fault_since", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("targetsubscription", "fault_tries", models.IntegerField(db_default=0)),
        migrations.AddField("targetsubscription", "held_until", models.DateTimeField(db_default=EPOCH)),
        migrations.AddField("run", "fault", models.CharField(blank=True, db_default="", max_length=12)),
        migrations.AddField("run", "fault_system", models.CharField(blank=True, db_default="", max_length=80)),
    ]
