"""When something was sent, for how long its vendor may act on it and knows its key, how often its outcome stayed unknown,
and what the vendor answered. Nullable columns and constant defaults: no row is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runtime", "0017_dated_states")]

    operations = [
        migrations.AddField("targetsubscription", "settle", models.FloatField(blank=True, null=True)),
        migrations.AddField("targetsubscription", "key_kept", models.FloatField(blank=True, null=True)),
        migrations.AddField("targetsubscription", "deadline", models.FloatField(blank=True, null=True)),
        migrations.AddField("progress", "intent_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("progress", "sent_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("progress", "rounds", models.IntegerField(db_default=0)),
        migrations.AddField("quarantinedmessage", "rounds", models.IntegerField(db_default=0)),
        migrations.AddField("quarantinedmessage", "accepted_as", models.CharField(db_default="", max_length=200)),
        migrations.AddField("quarantinedmessage", "first_sent_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("quarantinedmessage", "sent_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("attempt", "answer", models.TextField(blank=True, null=True)),
    ]
