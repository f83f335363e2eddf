"""A waiver of a change's finding is for the content, and for the words of the check, that its approvers saw."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("governance", "0033_persons")]

    operations = [migrations.AddField("waiver", "seen_findings", models.JSONField(null=True))]
