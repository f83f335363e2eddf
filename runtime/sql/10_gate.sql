-- The gate: which release may take work for which subscription. Every claim and every step reads it, so it joins only
-- small tables by their keys.

-- Writes that go against a system of record in force at this very moment: a copy onto the record itself, a copy from
-- a system that is not the record, a command to any system but the record.
create or replace view runtime_against_record as
select
    w.release_id,
    w.target,
    w.entity,
    w.attribute_group,
    w.kind,
    y.key as record
from runtime_entitywrite w
join catalog_businessentity e on e.key = w.entity
join catalog_boundary b on b.entity_id = e.id and b.valid @> clock_timestamp()
join catalog_system y on y.id = b.system_id
left join catalog_attributegroup a on a.id = b.attribute_group_id
left join catalog_scopevalue sb on sb.id = b.banner_id
left join catalog_scopevalue sr on sr.id = b.region_id
left join catalog_scopevalue sc on sc.id = b.channel_id
where (a.key is null or w.attribute_group is null or a.key = w.attribute_group)
    and (sb.key is null or not w.scope ? 'banner' or w.scope ->> 'banner' = sb.key)
    and (sr.key is null or not w.scope ? 'region' or w.scope ->> 'region' = sr.key)
    and (sc.key is null or not w.scope ? 'channel' or w.scope ->> 'channel' = sc.key)
    and case w.kind
        when 'replica' then y.key = w.target_system or y.key <> w.source_system
        else y.key <> w.target_system
    end;

-- Whether a window that names these dimensions of stores covers an instance: by its store. A target without instances
-- stands for the whole environment: for every store of a fleet, and for none where there are no stores. What nobody can
-- tell counts as covered.
create or replace function runtime_freezes_store(
  of_banner bigint, of_channel bigint, of_region bigint, of_zone text, store text, place text
) returns boolean language sql stable as $$
  select case
    when coalesce(of_banner, of_channel, of_region) is null and of_zone is null then true
    when store = '' then coalesce((select e.is_fleet from public.catalog_environment e where e.key = place), true)
    else coalesce((select coalesce(t.banner_id = of_banner, true)
                          and coalesce(t.channel_id = of_channel, true)
                          and coalesce(t.region_id = of_region, true)
                          and (of_zone is null or t.zone in ('', of_zone))
                     from public.catalog_retailstore t
                    where t.key = store
                      and t.retired_at is null), true)
  end
$$;

-- Where a system answers now, by its digest; '' where it has no endpoint there.
create or replace function runtime_destination_now(of_system text, place text) returns text language sql stable as $$
  select coalesce((select e.destination
                     from public.catalog_system y
                     join public.catalog_environment n on n.key = place
                     join public.catalog_systemendpoint e on e.system_id = y.id and e.environment_id = n.id
                    where y.key = of_system), '')
$$;

-- Systems that answer elsewhere than where the approval let a release call them: another address, secret or trust.
create or replace view runtime_destination_moved as
select
    b.approval_id,
    b.system_key,
    b.environment,
    b.digest as approved,
    n.digest as present
from runtime_approveddestination b
left join lateral (
    select e.destination as digest
    from catalog_system y
    join catalog_environment n on n.key = b.environment
    join catalog_systemendpoint e on e.system_id = y.id and e.environment_id = n.id
    where y.key = b.system_key
) n on true
where coalesce(n.digest, '') <> b.digest;

-- What people decided: an active deployment of an approved release, not paused, not frozen, not past the sunset of
-- what it pins, whose systems answer where they did when it was approved. What a freeze goes by is read from the
-- approved release: the integration's own row follows whatever manifest its author registers. What nobody can tell
-- counts as frozen.
create or replace view runtime_permitted as
select
    s.id as subscription_id,
    s.vendor_id,
    d.id as deployment_id,
    d.release_id
from runtime_subscription s
join runtime_deployment d on d.id = s.deployment_id and d.active and not d.paused
join runtime_release r on r.id = d.release_id
join runtime_integration i on i.id = r.integration_id
join runtime_vendorstate v on v.id = s.vendor_id
join governance_valid_approval a
    on a.approval_id = d.approval_id
    and a.subject_kind = 'integration'
    and a.subject_id = i.key
    and a.digest = r.digest
    and a.environment = d.environment
where s.open
    and not exists (
        select
        from runtime_pin p
        join catalog_apiversion c on c.id = p.version_id
        where p.release_id = r.id
            and (c.state = 'retired' or c.sunset_at <= clock_timestamp())
    )
    and not exists (
        select
        from runtime_against_record w
        where w.release_id = r.id
            and w.target = s.target
    )
    and not exists (
        select
        from runtime_destination_moved m
        where m.approval_id = d.approval_id
    )
    and not exists (
        select
        from governance_active_freeze f
        where f.strictness = 'work'
            and (f.environment is null or f.environment = d.environment)
            and (f.tier is null or r.tier <= f.tier)
            and (f.domain is null or f.domain = coalesce(r.manifest ->> 'domain', f.domain))
            and (f.system is null or f.system = v.system_key)
            and runtime_freezes_store(
                f.banner_id, f.channel_id, f.region_id, f.store_zone, s.instance, d.environment
            )
    );

-- The same, where the vendor can take work now: its circuit breaker is closed or due for a probe, and quota is left.
create or replace view runtime_gate as
select
    p.subscription_id,
    p.vendor_id,
    p.deployment_id,
    p.release_id
from runtime_permitted p
join runtime_vendorstate v on v.id = p.vendor_id
where v.not_before <= clock_timestamp()
    and (
        v.breaker = 'closed'
        or (v.open_until <= clock_timestamp() and v.probe_until <= clock_timestamp())
    )
    and (
        v.rate is null
        or least(v.burst, v.allowance + v.rate * extract(epoch from clock_timestamp() - v.refilled_at)) >= 1
    )
    and (
        v.budget is null
        or v.spent < v.budget
        or v.spent_on < (clock_timestamp() at time zone 'UTC')::date
    );

-- The gate as a question about one subscription and release: asked lazily, candidate by candidate, with a plan of its
-- own.
create or replace function runtime_may_take(asked bigint, by_release bigint) returns boolean
language plpgsql volatile as $$
begin
  return exists (select from public.runtime_gate g where g.subscription_id = asked and g.release_id = by_release);
end $$;
