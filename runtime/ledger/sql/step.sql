-- Move the position, record the evidence of the batch before, store the intent of the batch after: one statement, one
-- round trip. A closed gate, or a release that is no longer the deployed one, refuses a further step inside the
-- database and any new intent, but never the recording of a call that was made. So does a target that must have the
-- messages first (`after`) and has not come so far, and the end of a lane before a change of lanes (`upto`), which
-- may have come while the claim was under way.
with g as (
    select
        (
            exists (
                select
                from runtime_gate
                where subscription_id = %(subscription)s
                    and release_id = %(release)s
            )
            or exists (
                select
                from runtime_permitted p
                join runtime_vendorstate v on v.id = p.vendor_id
                where p.subscription_id = %(subscription)s
                    and p.release_id = %(release)s
                    and v.probe_subscription = %(subscription)s
                    and v.probe_lane = %(lane)s
                    and v.not_before <= clock_timestamp()
            )
        )
        and (
            %(after)s::bigint is null
            or %(intent)s::bigint is null
            or exists (
                select
                from runtime_progress a
                where a.subscription_id = %(after)s
                    and a.lane = %(lane)s
                    and a.position >= %(intent)s
            )
        ) as open
),
m as (
    update runtime_progress p
    set position = %(position)s,
        intent = case when {may_go} then %(intent)s::bigint end,
        intent_release = case when {may_go} and %(intent)s::bigint is not null then %(release)s::bigint end,
        intent_at = case when {may_go} and %(intent)s::bigint is not null then clock_timestamp() end,
        sent_at = null,
        rounds = 0,
        attempt = 0,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
    from g
    where p.subscription_id = %(subscription)s
        and p.lane = %(lane)s
        and p.token = %(token)s
        and ({may_go} or not %(gated)s)
    returning {may_go} as open
),
d as (
    insert into runtime_delivery (
        subscription_id, lane, token, release_id, at, first, last, outcome,
        confirmed, superseded, skipped, refused, waiting, declined, refs, outcomes
    )
    select
        %(subscription)s, %(lane)s, %(token)s, %(release)s, clock_timestamp(), %(first)s, %(last)s, %(outcome)s,
        %(confirmed)s, %(superseded)s, %(skipped)s, %(refused)s, %(waiting)s, %(declined)s, %(references)s, %(outcomes)s
    from m
    where %(first)s::bigint is not null
)
select open from m
