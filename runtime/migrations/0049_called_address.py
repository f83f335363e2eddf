"""At which address a system was called last, and since when: what was sent to another one is not sent again blindly."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runtime", "0048_conflict_decided")]
    operations = [
        migrations.AddField("vendorstate", "base_url", models.CharField(blank=True, db_default="", max_length=500)),
        migrations.AddField("vendorstate", "base_url_since", models.DateTimeField(blank=True, null=True)),
    ]
