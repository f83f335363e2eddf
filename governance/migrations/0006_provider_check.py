"""When the identity provider last spoke about a person: a decision needs a fresh word."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL), ("governance", "0005_one_right_one_seat")]

    operations = [
        migrations.CreateModel(
            name="ProviderCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "person",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="provider_check", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
    ]
