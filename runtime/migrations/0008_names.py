"""Tables and models under the names of the field.

Only the table of the quarantine is renamed. The other models take a new name in Python and keep their table.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    # The views of the gate join those of governance.
    dependencies = [
        ("runtime", "0007_head_space"),
        ("governance", "0007_current_sql"),
    ]

    operations = [
        migrations.AlterModelTable("parked", "runtime_quarantine"),
        migrations.RenameModel("Parked", "QuarantinedMessage"),
        migrations.RenameIndex("quarantinedmessage", new_name="quarantine_by_key", old_name="parked_by_key"),
        migrations.RenameIndex("quarantinedmessage", new_name="quarantine_dead", old_name="parked_dead"),
        migrations.AlterField(
            "quarantinedmessage",
            "subscription",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="quarantined",
                to="runtime.subscription",
            ),
        ),
        migrations.AlterModelTable("rejected", "runtime_rejected"),
        migrations.RenameModel("Rejected", "RejectedMessage"),
        migrations.AlterModelTable("conflict", "runtime_conflict"),
        migrations.RenameModel("Conflict", "ConflictCase"),
        migrations.AlterModelTable("comparison", "runtime_comparison"),
        migrations.RenameModel("Comparison", "TargetComparison"),
        migrations.AlterModelTable("subscription", "runtime_subscription"),
        migrations.RenameModel("Subscription", "TargetSubscription"),
    ]
