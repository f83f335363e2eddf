-- What is left of a vendor's quota.
select
    least(
        coalesce(v.budget - {today}, 10000),
        coalesce(floor({allowance}), 10000)
    )::bigint
from runtime_vendorstate v
where v.id = %s
