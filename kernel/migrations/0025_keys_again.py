"""Accounts get the key of their name anew. Where two have one name by now, the older one has it, and the other one is
named here: it stays, until an administrator renames it or says that both are one person."""

from typing import Any

from django.db import migrations

from kernel.user_names import OF_PROVIDER, key_sql

_NAMED = f"""
with named as (
  select u.id, u.name_key, case when starts_with(u.username, '{OF_PROVIDER}') then u.username
                                else {key_sql("u.username")} end as key
    from kernel_user u
), first as (
  select n.key, min(n.id) as id
    from named n
   group by n.key
)
"""
_TAKEN_AWAY = f"""{_NAMED}
update kernel_user u
   set name_key = null
  from named n
 where n.id = u.id
   and n.name_key is distinct from n.key
   and n.name_key is not null
returning u.id
"""  # noqa: S608 - constants, never input
_YOUNGER = f"""{_NAMED}
update kernel_user u
   set name_key = null
  from named n
  join first f on f.key = n.key and f.id <> n.id
 where n.id = u.id
   and n.name_key is not null
returning u.id
"""  # noqa: S608 - constants, never input
_FILL = f"""{_NAMED}
update kernel_user u
   set name_key = f.key
  from first f
 where f.id = u.id
   and u.name_key is distinct from f.key
"""  # noqa: S608 - constants, never input
_TWICE = f"""
select u.username, o.username
  from kernel_user u
  join kernel_user o on o.name_key = {key_sql("u.username")}
 where u.id = any(%s)
   and u.name_key is null
 order by o.username, u.username
"""  # noqa: S608 - constants, never input


def fill(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(_TAKEN_AWAY)
        changed = [pk for (pk,) in cursor.fetchall()]
        cursor.execute(_YOUNGER)
        changed += [pk for (pk,) in cursor.fetchall()]
        cursor.execute(_FILL)
        cursor.execute(_TWICE, [changed])
        twice = [f"{name} (as {other})" for name, other in cursor.fetchall()]
    if twice:
        print(  # noqa: T201 - for who runs the migration
            f"\n  Accounts with the name of an older one in another spelling: {', '.join(twice)}. They stay. Rename them "
            "or say that both are one person: administration, Users, filter By name."
        )


class Migration(migrations.Migration):
    dependencies = [("kernel", "0024_letters_of_one_capital")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
