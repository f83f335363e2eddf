"""A database that was made for the demo says so. One of before is known by its first accounts: the demo's people."""

import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

# Who was there first: at least ten people, and the first ten all of the demo. Accounts are never deleted.
_MADE_FOR_THE_DEMO = """
insert into kernel_demomark (id, made_at)
select 1, min(first.date_joined)
  from (select username, date_joined from kernel_user order by id limit 10) first
having count(*) = 10
   and bool_and(first.username in ('ada', 'arno', 'petra', 'paul', 'sofia', 'lena', 'stan', 'ivy', 'ida', 'sam',
                                   'rita', 'carl', 'admin', 'pipeline'))"""


class Migration(migrations.Migration):
    dependencies = [("kernel", "0012_second_factors")]

    operations = [
        migrations.CreateModel(
            name="DemoMark",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("made_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={"constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="one_demo_mark")]},
        ),
        migrations.RunSQL(_MADE_FOR_THE_DEMO, migrations.RunSQL.noop),
        pgtrigger.migrations.AddTrigger(
            model_name="demomark",
            trigger=pgtrigger.compiler.Trigger(
                name="only_when_empty",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n                    IF EXISTS (SELECT FROM kernel_user) OR EXISTS (SELECT FROM kernel_auditentry) THEN\n                        RAISE EXCEPTION 'this database is not empty: it is not made for the demo'\n                            USING ERRCODE = 'check_violation', CONSTRAINT = 'demo_mark_needs_empty_database';\n                    END IF;\n                    NEW.made_at := transaction_timestamp();\n                    NEW.ended_at := NULL;\n                    RETURN NEW;\n                ",
                    hash="edef446fae7c31dfe479e071110b61246528523d",
                    operation="INSERT",
                    pgid="pgtrigger_only_when_empty_b23bb",
                    table="kernel_demomark",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="demomark",
            trigger=pgtrigger.compiler.Trigger(
                name="ends_once",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\n                    IF TG_OP = 'DELETE' OR OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL THEN\n                        RAISE EXCEPTION 'a demo mark ends once, and stays'\n                            USING ERRCODE = 'check_violation', CONSTRAINT = 'demo_mark_ends_once';\n                    END IF;\n                    NEW.id := OLD.id;\n                    NEW.made_at := OLD.made_at;\n                    RETURN NEW;\n                ",
                    hash="26823d4602e96a565dd1028cfee263843d59399e",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_ends_once_b12c6",
                    table="kernel_demomark",
                    when="BEFORE",
                ),
            ),
        ),
    ]
