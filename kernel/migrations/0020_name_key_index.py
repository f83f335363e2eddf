"""The index that holds two spellings of one name apart."""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("kernel", "0019_names_filled")]

    operations = [
        migrations.RunSQL(
            ["create unique index concurrently if not exists one_account_for_each_name on kernel_user (name_key)"],
            ["drop index concurrently if exists one_account_for_each_name"],
        )
    ]
