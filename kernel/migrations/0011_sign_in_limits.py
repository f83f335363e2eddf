"""How often a password may be tried, counted in the database; where an account has signed in before."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kernel", "0010_identity")]

    operations = [
        migrations.CreateModel(
            name="SignInLimit",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("failures", models.FloatField()),
                ("open_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.AddField(
            model_name="signinfailures",
            name="owner_told",
            field=models.BooleanField(db_default=False),
        ),
        migrations.CreateModel(
            name="KnownPlace",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.CharField(max_length=64)),
                ("seen_at", models.DateTimeField(db_index=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="known_places",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("user", "place"), name="known_place_once")],
            },
        ),
    ]
