"""A version is released on one instance after another: the record of each is one of its own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("governance", "0027_entries_of_one_transaction")]

    operations = [
        migrations.AddConstraint(
            model_name="applicationrelease",
            constraint=models.UniqueConstraint(
                fields=["application", "version", "environment", "instance"],
                condition=models.Q(mode="released", ended_at=None),
                name="one_live_release_per_instance",
            ),
        ),
        migrations.RemoveConstraint(model_name="applicationrelease", name="one_live_release_per_version"),
    ]
