"""Each source of a stream has a row of its own: cursor, lease, pause and last look. The columns of the stream that it
takes over stay in the database without being used, so that processes of the previous release work during the upgrade."""

import django.db.models.deletion
import django.db.models.functions
from django.db import migrations, models

from runtime.models.subscriptions import LONG_AGO

# The sources that the cursor knows, and those of the releases that are deployed.
TAKE_OVER = """
insert into runtime_source (stream_id, name, cursor, token, read_at, not_before, wait_reason)
select st.id, n.name, st.cursor -> n.name, st.token, st.read_at, st.not_before, st.wait_reason
  from runtime_stream st
 cross join lateral (select k as name
                       from jsonb_object_keys(st.cursor) k
                      union
                     select e ->> 'name'
                       from runtime_deployment d
                       join runtime_release r on r.id = d.release_id
                      cross join jsonb_array_elements(r.manifest -> 'sources') e
                      where d.integration_id = st.integration_id
                        and d.environment = st.environment
                        and d.active) n;
update runtime_run u
   set source = s.name
  from runtime_stream st, runtime_deployment d, runtime_release r,
       lateral (select e ->> 'name' as name
                  from jsonb_array_elements(r.manifest -> 'sources') with ordinality x(e, n)
                 where e ? 'connection'
                 order by n
                 limit 1) s
 where u.state = 'running'
   and u.kind = 'collect'
   and st.id = u.stream_id
   and d.integration_id = st.integration_id
   and d.environment = st.environment
   and d.active
   and r.id = d.release_id;
"""
TAKEN_OVER = ("cursor", "token", "lease_until", "owner", "session", "read_at", "not_before", "wait_reason")


class Migration(migrations.Migration):
    dependencies = [("runtime", "0022_question_fault")]

    operations = [
        migrations.CreateModel(
            name="StreamSource",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80)),
                ("cursor", models.JSONField(blank=True, null=True)),
                ("token", models.BigIntegerField(db_default=0)),
                ("lease_until", models.DateTimeField(db_default=LONG_AGO)),
                ("owner", models.CharField(blank=True, db_default="", max_length=120)),
                ("session", models.IntegerField(blank=True, null=True)),
                ("read_at", models.DateTimeField(blank=True, null=True)),
                ("not_before", models.DateTimeField(db_default=LONG_AGO)),
                ("wait_reason", models.TextField(blank=True, db_default="")),
                (
                    "stream",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sources",
                        to="runtime.stream",
                    ),
                ),
            ],
            options={
                "db_table": "runtime_source",
                "ordering": ["id"],
                "constraints": [models.UniqueConstraint(fields=("stream", "name"), name="source_once")],
            },
        ),
        migrations.AddField("run", "source", models.CharField(blank=True, db_default="", max_length=80)),
        migrations.RemoveConstraint("run", "run_one_collecting"),
        migrations.AddConstraint(
            "run",
            models.UniqueConstraint(
                condition=models.Q(("kind", "collect"), ("state", "running")),
                fields=("stream", "source"),
                name="run_one_per_source",
            ),
        ),
        migrations.RunSQL(TAKE_OVER, migrations.RunSQL.noop),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField("stream", name) for name in TAKEN_OVER]
        ),
    ]
