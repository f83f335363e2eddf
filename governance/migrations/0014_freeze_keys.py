"""The database refuses a freeze that names what the catalog does not have."""

import django.db.models.deletion
from django.db import migrations, models


def _one_of(model: str, column: str):
    return models.ForeignKey(
        blank=True,
        db_column=column,
        db_index=False,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=model,
        to_field="key",
    )


def _refers(table: str, column: str) -> migrations.RunSQL:
    name = f"freeze_of_known_{column}"
    return migrations.RunSQL(
        f"alter table governance_freezewindow add constraint {name} "
        f"foreign key ({column}) references {table} (key) deferrable initially deferred",
        f"alter table governance_freezewindow drop constraint {name}",
    )


class Migration(migrations.Migration):
    dependencies = [("governance", "0013_freeze_names")]

    operations = [
        # The columns keep their types, which views read; only the constraints are new.
        migrations.SeparateDatabaseAndState(
            database_operations=[
                _refers("catalog_environment", "environment"),
                _refers("catalog_domain", "domain"),
                _refers("catalog_system", "system"),
            ],
            state_operations=[
                migrations.AlterField("freezewindow", "environment", _one_of("catalog.environment", "environment")),
                migrations.AlterField("freezewindow", "domain", _one_of("catalog.domain", "domain")),
                migrations.AlterField("freezewindow", "system", _one_of("catalog.system", "system")),
            ],
        ),
        migrations.AddConstraint(
            "freezewindow",
            models.CheckConstraint(condition=~models.Q(store_zone=""), name="freeze_names_a_store_zone_or_none"),
        ),
    ]
