"""A question that is wrong in itself is kept beside its target, and told to people. Constant defaults and a nullable
column: no row is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    # The views of the gate join those of governance.
    dependencies = [("runtime", "0021_after"), ("governance", "0007_current_sql")]

    operations = [
        migrations.AddField(
            "targetsubscription", "question_fault", models.CharField(blank=True, db_default="", max_length=12)
        ),
        migrations.AddField("targetsubscription", "question_fault_detail", models.TextField(blank=True, db_default="")),
        migrations.AddField("targetsubscription", "question_fault_since", models.DateTimeField(blank=True, null=True)),
    ]
