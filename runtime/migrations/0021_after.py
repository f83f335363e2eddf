"""A target may wait until another one has the message. A nullable column: no row is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runtime", "0020_comparison_twice")]

    operations = [
        migrations.AddField("targetsubscription", "after_subscription", models.BigIntegerField(blank=True, null=True)),
    ]
