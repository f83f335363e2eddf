"""Calls by operation, so that it can be told whom a difference of two contracts touches."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0022_persons")]

    operations = [
        migrations.CreateModel(
            name="OperationUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("operation", models.CharField(help_text='As the contract names it: "POST /orders"', max_length=300)),
                ("calls", models.BigIntegerField(default=0)),
                ("last_seen_at", models.DateTimeField()),
                (
                    "application",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="catalog.application"
                    ),
                ),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="catalog.environment"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="catalog.apiversion"
                    ),
                ),
            ],
            options={
                "ordering": ["-last_seen_at"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("version", "environment", "application", "operation"), name="operation_use_once"
                    ),
                    models.CheckConstraint(condition=models.Q(("calls__gte", 0)), name="operation_calls_make_sense"),
                ],
            },
        )
    ]
