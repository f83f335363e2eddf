"""What a person has edited is kept beside the attempt that says so; an erasure takes it with the rest."""

from django.db import migrations

from runtime.models.log import JsonDocument


class Migration(migrations.Migration):
    dependencies = [("runtime", "0059_identity")]

    operations = [
        migrations.AddField("attempt", "payload", JsonDocument(blank=True, null=True)),
    ]
