"""What an API was before somebody loosened it counts until a change that names it was approved."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("governance", "0034_waivers_bind_findings")]

    operations = [
        migrations.CreateModel(
            name="LoosenedFact",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("api_id", models.BigIntegerField(db_index=True)),
                (
                    "fact",
                    models.CharField(
                        choices=[
                            ("data_class", "Data class"),
                            ("tier", "SLA tier"),
                            ("domain", "Domain"),
                            ("entity", "Entity"),
                        ],
                        max_length=12,
                    ),
                ),
                ("was", models.CharField(blank=True, max_length=200)),
                ("at", models.DateTimeField(db_default=Now())),
                ("answered_by_id", models.BigIntegerField(null=True)),
            ],
        ),
    ]
