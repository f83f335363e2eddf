"""A freeze names its banner, channel and region by their rows, and can name a region and a time zone of stores.

The text columns `banner` and `channel` stay in the database until a later release drops them: the release before reads
them while this one is being installed.
"""

import django.db.models.deletion
from django.db import migrations, models


def _value():
    return models.ForeignKey(
        blank=True,
        db_index=False,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to="catalog.scopevalue",
    )


class Migration(migrations.Migration):
    dependencies = [("catalog", "0011_usage_by_application"), ("governance", "0011_freezes_kept")]

    operations = [
        migrations.AddField("freezewindow", "unresolved", models.JSONField(blank=True, db_default={}, default=dict)),
        migrations.AddField("freezewindow", "store_zone", models.CharField(blank=True, max_length=64, null=True)),
        migrations.AddField("freezewindow", "region", _value()),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField("freezewindow", "banner"),
                migrations.RemoveField("freezewindow", "channel"),
            ]
        ),
        migrations.AddField("freezewindow", "banner", _value()),
        migrations.AddField("freezewindow", "channel", _value()),
    ]
