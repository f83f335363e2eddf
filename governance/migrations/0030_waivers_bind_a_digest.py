"""A waiver of the gate is for the contract or the release that its approvers saw."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("governance", "0029_rights_that_rest")]

    operations = [
        migrations.AddField("waiver", "subject_digest", models.CharField(max_length=71, null=True)),
    ]
