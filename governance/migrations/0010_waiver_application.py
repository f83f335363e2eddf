"""The application for which a waiver opens a rule of the gate. Earlier ones name none; the collector of the gate says
what they still open."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("governance", "0009_release_records")]

    operations = [
        migrations.AddField(
            "waiver", "application", models.CharField(blank=True, db_default="", default="", max_length=200)
        ),
    ]
