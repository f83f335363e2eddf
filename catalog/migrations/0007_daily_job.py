"""The table of daily jobs gets their name: what a room does by itself is a periodic job."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0006_current_sql")]

    operations = [
        migrations.RenameModel("DailyDuty", "DailyJob"),
        migrations.AlterModelOptions("DailyJob", options={"verbose_name_plural": "daily jobs"}),
    ]
