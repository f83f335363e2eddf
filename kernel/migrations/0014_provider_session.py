"""A session knows its name at the identity provider, which may end it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kernel", "0013_demo_mark")]

    operations = [
        migrations.AddField(
            model_name="usersession",
            name="provider_session",
            field=models.CharField(blank=True, db_default="", max_length=255),
        ),
    ]
