"""What is wrong with the connection to a vendor, beside its circuit breaker. Constant defaults: no row is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runtime", "0008_names")]

    operations = [
        migrations.AddField("vendorstate", "fault", models.CharField(blank=True, db_default="", max_length=12)),
        migrations.AddField("vendorstate", "fault_detail", models.TextField(blank=True, db_default="")),
        migrations.AddField("vendorstate", "fault_since", models.DateTimeField(blank=True, null=True)),
    ]
