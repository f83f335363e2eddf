"""Acceptances stand in the ledger in their person's name; rights, results of checks and receivers are told there."""

from django.db import migrations



class Migration(migrations.Migration):
    dependencies = [("catalog", "0021_rows_told"), ("governance", "0030_waivers_bind_a_digest")]
