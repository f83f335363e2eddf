"""Lanes whose gate stays closed sleep until it opens; the SQL for it is applied by a later migration."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runtime", "0073_facts_of_changes")]

    operations = [
        migrations.AddField(
            model_name="progress",
            name="at_gate",
            field=models.BooleanField(db_default=False),
        ),
    ]
