"""What waits behind a quarantined message sleeps until that one leaves, and an index finds what is awake. A constant
default: no row is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runtime", "0026_known_since"), ("governance", "0007_current_sql")]

    operations = [
        migrations.AddField("quarantinedmessage", "asleep", models.BooleanField(db_default=False)),
        migrations.AddIndex(
            "targetsubscription",
            models.Index(
                condition=models.Q(after_subscription__isnull=False),
                fields=["after_subscription"],
                name="subscription_after",
            ),
        ),
    ]
