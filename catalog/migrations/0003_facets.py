"""Facets as small numbers in a narrow table, and one function that finds, ranks and keeps older versions below."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

# What the present versions hold comes from `strict`; `wide` also holds the words of older versions, marked by a tilde. As in
# 0002 the function's own setting keeps the planner from reading every long document.
HITS = """
create function catalog_search_hits(strict tsquery, wide tsquery, exact text, ranked boolean)
  returns table (api_id bigint, rank real, name varchar, calls bigint, consumers integer, changed_at timestamptz)
  language sql stable parallel safe rows 500 set enable_seqscan = off as $$
  with found as materialized (
    select s.api_id,
           (case when ranked then ts_rank('{0.05,0.2,0.5,1}', s.head, strict) else 0 end
            + case when lower(s.name) = exact or s.slug = exact then 2 else 0 end)::real as rank,
           s.name, s.calls, s.consumers, s.changed_at
      from catalog_apisearch s where s.document @@ strict)
  select * from found
  union all
  select s.api_id, (-1)::real, s.name, s.calls, s.consumers::integer, s.changed_at
    from catalog_apisearch s where s.document @@ wide and s.api_id not in (select f.api_id from found f) $$
"""

# What 0002 made and this one replaces.
MATCHES = """
create function catalog_search_matches(query tsquery) returns setof bigint language sql stable parallel safe rows 500
  set enable_seqscan = off as $$ select api_id from catalog_apisearch where document @@ query $$
"""

FILL = """
insert into catalog_apifacets (api_id, restricted, team_ids, domain, team, system, layer, style, tier, data, states)
select s.api_id, s.restricted, s.team_ids, coalesce(a.domain_id, 0), coalesce(a.owner_team_id, 0), coalesce(a.system_id, 0),
  coalesce(array_position(array['', 'experience', 'process', 'system'], s.layer::text), 1) - 1,
  coalesce(array_position(array['', 'rest', 'odata', 'soap', 'graphql', 'event', 'file'], s.style::text), 1) - 1,
  coalesce(array_position(array['', '0', '1', '2', '3'], s.tier::text), 1) - 1,
  coalesce(array_position(array['', 'public', 'internal', 'personal', 'cardholder'], s.data_class::text), 1) - 1,
  (select coalesce(bit_or(1 << (array_position(array['draft', 'in_review', 'approved', 'published', 'deprecated', 'retired', 'rejected', 'withdrawn'],
                                               x::text) - 1)), 0) from unnest(s.states) x)
from catalog_apisearch s join catalog_api a on a.id = s.api_id
"""


def _number(kind: type[models.Field] = models.SmallIntegerField) -> models.Field:
    return kind(default=0)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_search_matches")]
    operations = [
        migrations.CreateModel(
            name="ApiFacets",
            fields=[
                (
                    "api",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="facets",
                        serialize=False,
                        to="catalog.api",
                    ),
                ),
                ("restricted", models.BooleanField(default=False)),
                ("team_ids", django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), default=list, size=None)),
                ("domain", _number(models.IntegerField)),
                ("team", _number(models.IntegerField)),
                ("system", _number(models.IntegerField)),
                ("layer", _number()),
                ("style", _number()),
                ("tier", _number()),
                ("data", _number()),
                ("states", _number()),
            ],
            options={"verbose_name_plural": "API facets"},
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(HITS, "drop function catalog_search_hits(tsquery, tsquery, text, boolean)"),
        migrations.RunSQL("drop function catalog_search_matches(tsquery)", MATCHES),
    ]
