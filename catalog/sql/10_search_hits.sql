-- The APIs whose documents hold a query, ranked.

-- `strict` meets what the present versions hold; `wide` meets the words of older live versions as well, which
-- documents mark by a tilde. APIs that only `wide` finds get the rank -1 and so come last. `exact` is the query in
-- lower case: an API of exactly this name or slug comes first. Without `ranked` only `exact` and the age of the
-- versions count.
--
-- The planner prices `@@` as if a tsvector were at hand; the long ones are stored out of line, and reading them all
-- costs a hundred times what their index costs. The function's setting keeps that choice away from the planner, in
-- one round trip.
create or replace function catalog_search_hits(strict tsquery, wide tsquery, exact text, ranked boolean)
returns table (
  api_id bigint,
  rank real,
  name varchar,
  calls bigint,
  consumers integer,
  changed_at timestamptz
)
language sql stable parallel safe rows 500 set enable_seqscan = off as $$
  with found as materialized (
    select s.api_id,
           (case when ranked then ts_rank('{0.05,0.2,0.5,1}', s.head, strict) else 0 end
            + case when lower(s.name) = exact or s.slug = exact then 2 else 0 end)::real as rank,
           s.name,
           s.calls,
           s.consumers,
           s.changed_at
      from catalog_apisearch s
     where s.document @@ strict)
  select * from found
  union all
  select s.api_id, (-1)::real, s.name, s.calls, s.consumers::integer, s.changed_at
    from catalog_apisearch s
   where s.document @@ wide
     and s.api_id not in (select f.api_id from found f)
$$;
