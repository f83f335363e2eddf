"""Who writes into the ledger's chain waits for a lock that nobody but the owner of the tables may hold."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kernel", "0015_session_digests")]

    operations = [
        migrations.CreateModel(
            name="LedgerTurn",
            fields=[("id", models.PositiveSmallIntegerField(primary_key=True, serialize=False))],
        ),
    ]
