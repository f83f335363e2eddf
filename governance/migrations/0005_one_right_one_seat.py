"""A slot may come from an acceptance: a finding accepted as truly breaking needs approvals beside those of the policy."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("governance", "0004_release_indexes")]

    operations = [migrations.AddField("slot", "by_acceptance", models.BooleanField(default=False, db_default=False))]
