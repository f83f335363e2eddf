"""Plans of replays: what shall be delivered again, fixed before people decide on it."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

_USER = {"null": True, "on_delete": django.db.models.deletion.PROTECT, "related_name": "+", "to": settings.AUTH_USER_MODEL}


class Migration(migrations.Migration):
    dependencies = [
        ("governance", "0001_initial"),
        ("runtime", "0002_gate"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Replay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[("planned", "Planned"), ("running", "Running"), ("done", "Done"), ("cancelled", "Cancelled")],
                        default="planned",
                        max_length=9,
                    ),
                ),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("key_from", models.TextField(blank=True, default="")),
                ("key_to", models.TextField(blank=True, default="")),
                ("spans", models.JSONField()),
                ("messages", models.BigIntegerField()),
                ("pace", models.FloatField(blank=True, null=True)),
                ("digest", models.CharField(blank=True, default="", max_length=71)),
                ("reason", models.TextField()),
                ("planned_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "approval",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="governance.approval"
                    ),
                ),
                ("planned_by", models.ForeignKey(**_USER)),
                ("started_by", models.ForeignKey(**_USER)),
                (
                    "subscription",
                    models.OneToOneField(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="replay", to="runtime.subscription"
                    ),
                ),
                (
                    "target",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="plans", to="runtime.subscription"
                    ),
                ),
                (
                    "trial",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="replay_trial",
                        to="runtime.subscription",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["digest"], name="replay_by_digest")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state", "planned"), ("state", "cancelled"), ("subscription__isnull", False), _connector="OR"
                        ),
                        name="replay_started_has_progress",
                    ),
                    models.CheckConstraint(condition=models.Q(("messages__gt", 0)), name="replay_not_empty"),
                ],
            },
        ),
    ]
