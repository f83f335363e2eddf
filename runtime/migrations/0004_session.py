"""The session of a lane's owner: a claim need not wait for the lease of a worker that is gone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runtime", "0003_replay")]
    operations = [
        migrations.AddField("progress", "session", models.IntegerField(null=True, blank=True)),
    ]
