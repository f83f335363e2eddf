"""Accounts of before get the key of their name. Where two have one name in two spellings the older one has it, and the
other one is named here: it stays as it is, until an administrator renames it or says that both are one person."""

from typing import Any

from django.db import migrations

from kernel.user_names import OF_PROVIDER, key_sql

_FILL = f"""
with named as (
  select u.id, case when starts_with(u.username, '{OF_PROVIDER}') then u.username else {key_sql("u.username")} end as key
    from kernel_user u
), first as (
  select n.key, min(n.id) as id
    from named n
   group by n.key
)
update kernel_user u
   set name_key = case when f.id = u.id then f.key end
  from named n
  join first f on f.key = n.key
 where n.id = u.id
   and u.name_key is distinct from case when f.id = u.id then f.key end
"""  # noqa: S608 - constants, never input
_TWICE = f"""
select u.username, o.username
  from kernel_user u
  join kernel_user o on o.name_key = {key_sql("u.username")}
 where u.name_key is null
 order by o.username, u.username
"""  # noqa: S608 - constants, never input


def fill(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(_FILL)
        cursor.execute(_TWICE)
        twice = [f"{name} (as {other})" for name, other in cursor.fetchall()]
    if twice:
        print(  # noqa: T201 - for who runs the migration
            f"\n  Accounts with the name of an older one in another spelling: {', '.join(twice)}. They stay. Rename them "
            "or say that both are one person: administration, Users, filter By name."
        )


class Migration(migrations.Migration):
    dependencies = [("kernel", "0018_name_keys")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
