"""The functions, views and triggers of `governance/sql/`. What an approval counts by is called a slot everywhere, columns included."""

from django.db import migrations, models


class Migration(migrations.Migration):
    # The guards call `kernel_refuse_change`.
    dependencies = [
        ("governance", "0006_provider_check"),
        ("kernel", "0003_current_sql"),
        ("catalog", "0006_current_sql"),
    ]

    operations = [
        migrations.RenameField("slot", "seat", "number"),
        migrations.RenameField("approval", "seats", "filled_slots"),
        migrations.SeparateDatabaseAndState(
            [
                migrations.RunSQL(
                    "alter table governance_slot rename constraint slot_seat_once to slot_number_once",
                    "alter table governance_slot rename constraint slot_number_once to slot_seat_once",
                )
            ],
            [
                migrations.RemoveConstraint("slot", "slot_seat_once"),
                migrations.AddConstraint(
                    "slot",
                    models.UniqueConstraint(fields=["change", "revision", "key", "number"], name="slot_number_once"),
                ),
            ],
        ),
        migrations.AlterModelOptions(
            "webhookdelivery", {"ordering": ["-id"], "verbose_name_plural": "webhook deliveries"}
        ),
    ]
