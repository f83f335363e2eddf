"""Half of every page of the heads stays free: a change of a key then stays in its page and touches no index (HOT).

A feed whose records all changed updates each row of a page in one transaction, so the room needed is as large as what is there. The
table is no larger for it afterwards: full pages would have left as many dead rows behind.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("runtime", "0006_time_indexes")]
    operations = [
        migrations.RunSQL(
            "alter table runtime_head set (fillfactor = 50)",
            "alter table runtime_head set (fillfactor = 90)",
        )
    ]
