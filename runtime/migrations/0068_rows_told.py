"""Who may hand in messages, what runs and how long anything is kept is told in the ledger by the database."""

from django.db import migrations



class Migration(migrations.Migration):
    dependencies = [("governance", "0031_rows_told"), ("runtime", "0067_evidence_with_messages")]
