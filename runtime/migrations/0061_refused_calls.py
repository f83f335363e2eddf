"""Calls that the web server refused are kept by minutes, and rules of alerts can be about them."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now

FIRST_RULES = """
insert into runtime_alertrule
       (name, kind, target, system_key, environment, condition, factor, long, short, at_least, below, for_minutes,
        severity, inbox, email, webhook, teams, enabled)
values ('Calls were refused', '', '', '', '', 'refused', 0, 60, 5, 5, 0, 0, 'ticket', true, true, true, '{}', true),
       ('Many calls were refused', '', '', '', '', 'refused', 0, 60, 5, 200, 0, 0, 'page', true, true, true, '{}', true)
    on conflict do nothing"""


class Migration(migrations.Migration):
    dependencies = [("runtime", "0060_edited_content")]

    operations = [
        migrations.CreateModel(
            name="RefusedCalls",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("operation", models.CharField(max_length=12)),
                ("why", models.CharField(max_length=80)),
                ("minute", models.DateTimeField()),
                ("refused", models.BigIntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("noted_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "verbose_name_plural": "refused calls",
                "ordering": ["-minute", "id"],
                "constraints": [
                    models.UniqueConstraint(fields=["minute", "operation", "why"], name="refused_calls_of_a_minute")
                ],
            },
        ),
        migrations.AlterField(
            "alertsignal",
            "indicator",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="signals",
                to="runtime.serviceindicator",
            ),
        ),
        migrations.AddConstraint(
            "alertsignal",
            models.UniqueConstraint(
                fields=["rule"], condition=models.Q(indicator=None), name="alert_signal_of_front_once"
            ),
        ),
        migrations.RunSQL(FIRST_RULES, "delete from runtime_alertrule where condition = 'refused'"),
    ]
