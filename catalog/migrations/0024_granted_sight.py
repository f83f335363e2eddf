"""A subscription that is only asked for lets nobody see a restricted API."""

from django.db import migrations

_SEEN = """
with seen as (
  select s.api_id,
         array(select distinct team
                 from (select a.owner_team_id
                        where a.owner_team_id is not null
                       union
                       select app.team_id
                         from catalog_subscription su
                         join catalog_apiversion v on v.id = su.version_id
                         join catalog_application app on app.id = su.application_id
                        where v.api_id = a.id
                          and su.state = 'active'
                          and app.team_id is not null) t (team)
                order by team) as team_ids
    from catalog_apisearch s
    join catalog_api a on a.id = s.api_id
), searched as (
  update catalog_apisearch s
     set team_ids = seen.team_ids
    from seen
   where s.api_id = seen.api_id
     and s.team_ids is distinct from seen.team_ids
)
update catalog_apifacets f
   set team_ids = seen.team_ids
  from seen
 where f.api_id = seen.api_id
   and f.team_ids is distinct from seen.team_ids
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0023_operation_use")]

    operations = [migrations.RunSQL(_SEEN, migrations.RunSQL.noop)]
