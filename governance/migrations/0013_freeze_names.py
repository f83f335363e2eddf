"""What a freeze names becomes a row of the catalog. A name that the catalog does not have is kept as unresolved: the
window then counts for everything in that dimension, until a person says what it covers."""

from django.db import migrations

MOVE = """
update governance_freezewindow w
   set unresolved = found.unresolved,
       banner_id = found.banner_id,
       channel_id = found.channel_id,
       environment = case when found.unresolved ? 'environment' then null else w.environment end,
       domain = case when found.unresolved ? 'domain' then null else w.domain end,
       system = case when found.unresolved ? 'system' then null else w.system end
  from (select f.id,
               b.id as banner_id,
               c.id as channel_id,
               jsonb_strip_nulls(jsonb_build_object(
                 'environment', case when e.id is null then f.environment end,
                 'domain', case when d.id is null then f.domain end,
                 'system', case when s.id is null then f.system end,
                 'banner', case when b.id is null then f.banner end,
                 'channel', case when c.id is null then f.channel end)) as unresolved
          from governance_freezewindow f
          left join catalog_environment e on e.key = f.environment
          left join catalog_domain d on d.key = f.domain
          left join catalog_system s on s.key = f.system
          left join catalog_scopevalue b on b.dimension = 'banner' and b.key = f.banner
          left join catalog_scopevalue c on c.dimension = 'channel' and c.key = f.channel) found
 where found.id = w.id
"""


def move(apps, editor) -> None:
    with editor.connection.cursor() as cursor:
        cursor.execute(MOVE)


class Migration(migrations.Migration):
    dependencies = [("governance", "0012_freeze_scope")]

    operations = [migrations.RunPython(move, migrations.RunPython.noop, elidable=False)]
