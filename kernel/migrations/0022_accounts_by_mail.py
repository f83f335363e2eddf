"""An account is found by its address of mail, in whatever case: at each joiner and each first sign-in."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [
        ('kernel', '0021_one_account_for_each_name'),
    ]

    operations = [
        migrations.AlterModelManagers(
            name='user',
            managers=[
            ],
        ),
        AddIndexConcurrently(
            model_name='user',
            index=models.Index(Upper('email'), name='account_by_mail'),
        ),
    ]
