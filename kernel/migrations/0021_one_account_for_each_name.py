"""Two spellings of one name are one account: the constraint over the index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kernel", "0020_name_key_index")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "alter table kernel_user add constraint one_account_for_each_name "
                    "unique using index one_account_for_each_name",
                    "alter table kernel_user drop constraint if exists one_account_for_each_name",
                )
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="user",
                    constraint=models.UniqueConstraint(fields=("name_key",), name="one_account_for_each_name"),
                )
            ],
        )
    ]
