"""Keys outlive the database that gave them: which database this is, when it went back, and the salts since then."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runtime", "0010_sources")]

    operations = [
        migrations.CreateModel(
            name="DatabaseIdentity",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("cluster", models.CharField(max_length=20, null=True)),
                ("database", models.BigIntegerField()),
                ("timeline", models.IntegerField(null=True)),
                ("seen_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "runtime_database",
                "constraints": [models.CheckConstraint(condition=models.Q(id=1), name="database_once")],
            },
        ),
        migrations.CreateModel(
            name="Rewind",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            (
                                "timeline",
                                "Another timeline: a standby was promoted, or a backup restored to a moment",
                            ),
                            ("cluster", "Another database server: a dump or a copy"),
                            ("database", "Another database on the same server: a dump or a copy"),
                            ("stated", "Stated by a person"),
                        ],
                        max_length=8,
                    ),
                ),
                ("before", models.CharField(blank=True, db_default="", max_length=80)),
                ("after", models.CharField(blank=True, db_default="", max_length=80)),
                ("note", models.TextField(blank=True, db_default="")),
                ("lanes", models.IntegerField(db_default=0)),
                ("window_until", models.DateTimeField()),
                ("window_ended_at", models.DateTimeField(null=True)),
                ("announced_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.CreateModel(
            name="KeyEpoch",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "stream_id",
                        "lane",
                        "from_position",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("lane", models.PositiveSmallIntegerField()),
                ("from_position", models.BigIntegerField()),
                ("salt", models.BigIntegerField()),
                (
                    "stream",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="key_epochs",
                        to="runtime.stream",
                    ),
                ),
                (
                    "rewind",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="key_epochs",
                        to="runtime.rewind",
                    ),
                ),
            ],
            options={"db_table": "runtime_key_epoch"},
        ),
        migrations.AddField("progress", "ask_until", models.BigIntegerField(blank=True, null=True)),
        migrations.AddField("quarantinedmessage", "fresh_key", models.SmallIntegerField(db_default=0)),
    ]
