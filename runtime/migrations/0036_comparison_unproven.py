"""What a target has under the name of a state, without showing which state it is, is counted for itself."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runtime", "0035_turn_index")]
    operations = [
        migrations.AddField(
            model_name="targetcomparison",
            name="unproven",
            field=models.IntegerField(db_default=0),
        ),
    ]
