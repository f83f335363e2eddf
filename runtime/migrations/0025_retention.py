"""How long the runtime keeps what, what it dropped, and erased payloads. The first policies begin a month after the
upgrade, so that people can look at what would go."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

FIRST_POLICIES = """
insert into runtime_retention (data_class, days, since, reason)
select c.name, c.days, clock_timestamp() + interval '30 days', 'as installed'
  from (values ('messages', 400), ('evidence', 400), ('runs', 400), ('rejected', 400), ('comparisons', 400),
               ('heads', 400), ('events', 90)) c (name, days)"""


class Migration(migrations.Migration):
    dependencies = [
        ("runtime", "0024_rejected_again"),
        # The views of the gate join those of governance.
        ("governance", "0007_current_sql"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="DroppedCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("data_class", models.CharField(max_length=11)),
                ("stream_id", models.BigIntegerField(db_default=0)),
                ("subscription_id", models.BigIntegerField(db_default=0)),
                ("day", models.DateField()),
                ("number", models.BigIntegerField(db_default=0)),
                ("confirmed", models.BigIntegerField(db_default=0)),
                ("superseded", models.BigIntegerField(db_default=0)),
                ("skipped", models.BigIntegerField(db_default=0)),
                ("declined", models.BigIntegerField(db_default=0)),
                ("read", models.BigIntegerField(db_default=0)),
                ("accepted", models.BigIntegerField(db_default=0)),
                ("dropped_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "runtime_dropped",
                "ordering": ["day"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("data_class", "stream_id", "subscription_id", "day"), name="dropped_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("lane", models.PositiveSmallIntegerField()),
                ("position", models.BigIntegerField()),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("reason", models.TextField()),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "stream",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="erasures",
                        to="runtime.stream",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [models.UniqueConstraint(fields=("stream", "lane", "position"), name="erasure_once")],
            },
        ),
        migrations.CreateModel(
            name="RetentionPolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "data_class",
                    models.CharField(
                        choices=[
                            ("messages", "Messages"),
                            ("evidence", "Evidence of deliveries"),
                            ("runs", "Runs"),
                            ("rejected", "Settled rejects and conflicts"),
                            ("comparisons", "Comparisons with targets"),
                            ("heads", "Known keys of facts"),
                            ("events", "Events and webhooks"),
                        ],
                        max_length=11,
                    ),
                ),
                ("days", models.IntegerField(blank=True, null=True)),
                ("since", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("reason", models.TextField(blank=True, db_default="")),
                ("set_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "integration",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="retention",
                        to="runtime.integration",
                    ),
                ),
                (
                    "set_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "runtime_retention",
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("days", None), ("days__gte", 1), _connector="OR"), name="retention_days"
                    )
                ],
            },
        ),
        migrations.RunSQL(FIRST_POLICIES, migrations.RunSQL.noop),
    ]
