"""Accounts that are one person: by a proved address of mail, or as an administrator says."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

from kernel.sql_files import ApplySql


class Migration(migrations.Migration):
    dependencies = [("auth", "0012_alter_user_first_name_max_length"), ("kernel", "0016_ledger_turn")]

    operations = [
        migrations.CreateModel(
            name="ProvedMail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("digest", models.CharField(db_index=True, max_length=64)),
                ("way", models.CharField(max_length=20)),
                ("at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("user", "digest"), name="mail_proved_once")],
            },
        ),
        migrations.AddField(
            model_name="user",
            name="same_person_as",
            field=models.ForeignKey(
                blank=True,
                help_text="Another account of this person. Together they count once in every approval.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(same_person_as=None) | ~models.Q(same_person_as=models.F("id")),
                name="another_account_of_the_person",
            ),
        ),
        ApplySql("kernel"),
    ]
