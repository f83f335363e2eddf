"""Keeps the tables of search true: every service calls it in the transaction of its change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db import connection

from catalog.domain.lifecycle import STATES
from catalog.domain.search_criteria import CODES
from catalog.models import Api

# A change of these is a change of the API; consumers and calls move without anybody changing it.
_STATED: Final = (
    *("slug", "name", "purpose", "restricted", "team_ids", "domain", "team", "layer", "style", "system", "tier"),
    *("data_class", "states", "team_name", "record_names", "versions", "judged", "head", "document"),
)
_WRITTEN: Final = (*_STATED, "consumers", "calls")


def _row(table: str, columns: Iterable[str]) -> str:
    """`(s.slug, s.name, …)`: the columns of one table as a row value, several on a line."""
    named = [f"{table}.{column}" for column in columns]
    return "(" + ",\n    ".join(", ".join(named[n : n + 5]) for n in range(0, len(named), 5)) + ")"


_REFRESH: Final = f"""
with wanted as (
  select unnest(%(ids)s::bigint[]) as id)
insert into catalog_apisearch as s (
  api_id, slug, name, purpose, restricted, team_ids, domain, team, layer, style, system, tier, data_class, states,
  team_name, record_names, versions, consumers, calls, judged, changed_at, head, document)
select a.id, a.slug, a.name, a.purpose,
       a.visibility = 'restricted' or coalesce(v.only_draft, true),
       (select coalesce(array_agg(distinct x), '{{}}')
          from unnest(array[a.owner_team_id] || coalesce(s.team_ids, '{{}}')) x
         where x is not null),
       coalesce(d.key, ''), coalesce(t.key, ''), a.layer, a.style, coalesce(sy.key, ''), coalesce(ti.level::text, ''),
       a.data_class, coalesce(v.states, '{{}}'), coalesce(t.name, ''), left(coalesce(r.names, ''), 400),
       coalesce(v.versions, '[]'::jsonb), coalesce(s.consumers, 0), u.calls, coalesce(v.judged, true),
       clock_timestamp(), h.head,
       p.present || array_to_tsvector(array(
         select '~' || lexeme
           from (select unnest(tsvector_to_array(to_tsvector('english', v.older_words)))
                 except
                 select unnest(tsvector_to_array(p.present))) o (lexeme)
          where length(lexeme) < 200))
  from wanted w
  join catalog_api a on a.id = w.id
  left join catalog_domain d on d.id = a.domain_id
  left join catalog_team t on t.group_id = a.owner_team_id
  left join catalog_system sy on sy.id = a.system_id
  left join catalog_slatier ti on ti.id = a.tier_id
  left join lateral (
    select bool_and(v.state = 'draft') as only_draft,
           array_agg(distinct v.state) filter (where v.state <> 'draft' or v.all_draft) as states,
           jsonb_agg(jsonb_build_object('label', v.label, 'state', v.state) order by v.position desc, v.id desc)
             filter (where v.state <> 'draft' or v.all_draft) as versions,
           bool_and(v.origin <> 'imported' or v.approval_id is not null) as judged,
           string_agg(c.operation_words, ' ') filter (where v.recent and (v.state <> 'draft' or v.all_draft))
             as operation_words,
           string_agg(c.field_words, ' ') filter (where v.recent and (v.state <> 'draft' or v.all_draft))
             as field_words,
           string_agg(c.operation_words || ' ' || c.field_words, ' ')
             filter (where not v.recent and v.state in ('published', 'deprecated')) as older_words
      from (select v.*,
                   bool_and(v.state = 'draft') over () as all_draft,
                   row_number() over (
                     order by v.state not in ('published', 'deprecated'), v.position desc, v.id desc) <= 2 as recent
              from catalog_apiversion v
             where v.api_id = a.id) v
      left join catalog_contract c on c.digest = v.contract_id) v on true
  left join lateral (
    -- A request opens nothing: else a team could ask for all that is open, and keep seeing what is restricted later.
    select array_agg(distinct app.team_id) filter (where su.state = 'active') as team_ids,
           count(distinct su.application_id) as consumers
      from catalog_subscription su
      join catalog_apiversion v on v.id = su.version_id
      join catalog_application app on app.id = su.application_id
     where v.api_id = a.id
       and su.state in ('active', 'requested')) s on true
  left join lateral (
    select string_agg(distinct sys.name, ', ') as names,
           string_agg(distinct e.name || ' ' || e.key, ' ') as entities
      from catalog_apientity ae
      join catalog_businessentity e on e.id = ae.entity_id
      left join catalog_boundary b
        on b.entity_id = e.id
       and b.valid @> clock_timestamp()
       and (b.attribute_group_id is null
         or ae.attribute_group_id is null
         or b.attribute_group_id = ae.attribute_group_id)
      left join catalog_system sys on sys.id = b.system_id
     where ae.api_id = a.id) r on true
  left join lateral (
    select sum(ud.calls)::bigint as calls
      from catalog_usageday ud
      join catalog_apiversion v on v.id = ud.version_id
     where v.api_id = a.id
       and ud.day >= current_date - 30) u on true
 cross join lateral (
    select setweight(to_tsvector('english', a.name || ' ' || replace(a.slug, '-', ' ') || ' ' || a.slug || ' '
             || array_to_string(a.aliases, ' ')), 'A')
        || setweight(to_tsvector('english', concat_ws(' ', d.name, t.name, sy.name, sy.vendor, r.entities)), 'B')
        || setweight(to_tsvector('english', a.purpose), 'C') as head) h
 cross join lateral (
    select h.head
        || setweight(to_tsvector('english', coalesce(v.operation_words, '')), 'B')
        || setweight(to_tsvector('english', coalesce(v.field_words, '')), 'D') as present) p
on conflict (api_id) do update set
  ({", ".join(_WRITTEN)}, changed_at) = (
    {", ".join(f"excluded.{column}" for column in _WRITTEN)},
    case when {_row("s", _STATED)}
      is distinct from {_row("excluded", _STATED)}
    then excluded.changed_at else s.changed_at end)
where {_row("s", _WRITTEN)}
  is distinct from {_row("excluded", _WRITTEN)}
"""  # noqa: S608 - our own column names

_FACETS: Final = """
insert into catalog_apifacets (
  api_id, restricted, team_ids, domain, team, system, layer, style, tier, data, states)
select s.api_id, s.restricted, s.team_ids,
       coalesce(a.domain_id, 0), coalesce(a.owner_team_id, 0), coalesce(a.system_id, 0),
       coalesce(array_position(%(layer)s::text[], s.layer::text), 1) - 1,
       coalesce(array_position(%(style)s::text[], s.style::text), 1) - 1,
       coalesce(array_position(%(tier)s::text[], s.tier::text), 1) - 1,
       coalesce(array_position(%(data)s::text[], s.data_class::text), 1) - 1,
       (select coalesce(bit_or(1 << (array_position(%(states)s::text[], x::text) - 1)), 0)
          from unnest(s.states) x)
  from catalog_apisearch s
  join catalog_api a on a.id = s.api_id
 where s.api_id = any(%(ids)s)
on conflict (api_id) do update set
  restricted = excluded.restricted,
  team_ids = excluded.team_ids,
  domain = excluded.domain,
  team = excluded.team,
  system = excluded.system,
  layer = excluded.layer,
  style = excluded.style,
  tier = excluded.tier,
  data = excluded.data,
  states = excluded.states
"""

_WORDS: Final = """
insert into catalog_searchword (word)
select distinct ltrim(lexeme, '~') as lexeme
  from catalog_apisearch s, unnest(tsvector_to_array(s.document)) lexeme
 where s.api_id = any(%(ids)s)
   and length(lexeme) between 3 and 60
 order by lexeme
on conflict do nothing
"""

_CALLS: Final = """
update catalog_apisearch s
   set calls = u.calls
  from (select v.api_id, sum(ud.calls)::bigint as calls
          from catalog_usageday ud
          join catalog_apiversion v on v.id = ud.version_id
         where v.api_id = any(%(ids)s)
           and ud.day >= current_date - 30
         group by v.api_id) u
 where s.api_id = u.api_id
   and s.calls is distinct from u.calls
"""


def refresh(api_ids: Iterable[int]) -> None:
    """Rebuild the rows of these APIs.

    Operations and fields come from the two newest versions, published ones first. What only older live versions hold
    is found as well, ranked below. A draft beside decided versions is not named, because only its team may see it.
    """
    ids = sorted(set(api_ids))
    if not ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(_REFRESH, {"ids": ids})
        codes = {name: list(values) for name, values in CODES.items()}
        cursor.execute(_FACETS, {"ids": ids, "states": list(STATES), **codes})
        cursor.execute(_WORDS, {"ids": ids})


def refresh_calls(api_ids: Iterable[int]) -> None:
    """Rebuild only the calls of the last 30 days, after a usage report."""
    with connection.cursor() as cursor:
        cursor.execute(_CALLS, {"ids": sorted(set(api_ids))})


def refresh_all(*, batch: int = 500) -> int:
    """Rebuild the rows of every API and return how many there are: for the daily job, for `manage.py
    rebuild_search`, and after names of teams, domains or systems have changed."""
    ids = list(Api.objects.order_by("id").values_list("id", flat=True))
    for start in range(0, len(ids), batch):
        refresh(ids[start : start + batch])
    return len(ids)
