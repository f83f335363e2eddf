"""Lanes stand in an order that claims walk, and those that have nothing to take sleep. Constant defaults: no row is
rewritten but those of `runtime_progress`, of which there is one for each lane of each target."""

from django.db import migrations, models

from runtime.models.subscriptions import LONG_AGO

PLACES = """
update runtime_progress p
set tier = s.tier,
    waits_since = least(p.lease_until, clock_timestamp())
from runtime_subscription s
where s.id = p.subscription_id"""


class Migration(migrations.Migration):
    # The views of the gate join those of governance.
    dependencies = [("runtime", "0033_run_looked"), ("governance", "0007_current_sql")]

    operations = [
        migrations.AddField("progress", "tier", models.PositiveSmallIntegerField(db_default=2)),
        migrations.AddField("progress", "waits_since", models.DateTimeField(db_default=LONG_AGO)),
        migrations.AddField("progress", "asleep", models.BooleanField(db_default=False)),
        migrations.CreateModel(
            name="LaneSleep",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "stream_id", "lane", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("lane", models.PositiveSmallIntegerField()),
                ("next", models.BigIntegerField(null=True)),
                (
                    "stream",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=models.DO_NOTHING,
                        related_name="+",
                        to="runtime.stream",
                    ),
                ),
            ],
            options={"db_table": "runtime_lane_sleep"},
        ),
        migrations.RunSQL(PLACES, migrations.RunSQL.noop),
    ]
