"""The SQL of the kernel: the chain is written by the owner of the ledger, and the database says when."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("kernel", "0008_write_stamps")]

    operations = []
