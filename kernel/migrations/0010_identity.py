"""Who may do what is in the ledger by triggers; an entry says who wrote it, and its hash is over a stated list of columns."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kernel", "0009_two_roles"), ("auth", "0012_alter_user_first_name_max_length")]

    operations = [
        migrations.AddField(
            model_name="auditentry",
            name="written_by",
            field=models.CharField(blank=True, db_default="", max_length=200),
        ),
        migrations.AddField(
            model_name="auditlink",
            name="version",
            field=models.PositiveSmallIntegerField(db_default=1),
        ),
        migrations.CreateModel(
            name="SignInFailures",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account", models.BigIntegerField()),
                ("minute", models.DateTimeField()),
                ("failures", models.PositiveIntegerField(default=1)),
                ("told", models.PositiveIntegerField(db_default=0)),
            ],
            options={
                "verbose_name_plural": "sign-in failures",
                "constraints": [
                    models.UniqueConstraint(fields=["account", "minute"], name="sign_in_failures_of_a_minute")
                ],
            },
        ),
        migrations.AddField(
            model_name="user",
            name="time_zone",
            field=models.CharField(blank=True, db_default="", max_length=60),
        ),
        migrations.CreateModel(
            name="UserSession",
            fields=[
                (
                    "session_key",
                    models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name="session key"),
                ),
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sessions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("began_at", models.DateTimeField(null=True)),
                ("seen_at", models.DateTimeField(null=True)),
                ("way", models.CharField(blank=True, db_default="", max_length=20)),
                ("address", models.CharField(blank=True, db_default="", max_length=60)),
                ("agent", models.CharField(blank=True, db_default="", max_length=200)),
            ],
            options={"verbose_name": "session", "verbose_name_plural": "sessions"},
        ),
    ]
