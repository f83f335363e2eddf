"""The functions and triggers of `kernel/sql/`; the label of tokens."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("kernel", "0002_ledger_guards")]

    operations = [
        migrations.AlterModelOptions("apitoken", {"ordering": ["-created_at"], "verbose_name": "API token"}),
    ]
