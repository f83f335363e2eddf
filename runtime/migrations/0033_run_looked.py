"""The index that finds the last look at a source without reading the runs before it. `0015_source_alarm` made it while
every run waited; installations that have it keep it."""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # `concurrently` cannot run inside a transaction
    dependencies = [("runtime", "0032_wake")]

    operations = [
        migrations.RunSQL(
            """create index concurrently if not exists run_looked on runtime_run (stream_id, id desc)
                where (kind = 'collect' and state = 'succeeded')""",
            "drop index concurrently if exists run_looked",
        ),
    ]
