-- Take messages from a vendor's quota: all that are asked for or none, so that no race overdraws it.
update runtime_vendorstate v
set spent = {today} + %(count)s,
    spent_on = (clock_timestamp() at time zone 'UTC')::date,
    allowance = case when v.rate is null then v.allowance else {allowance} - %(count)s end,
    refilled_at = clock_timestamp()
where v.id = %(vendor)s
    and (v.budget is null or {today} + %(count)s <= v.budget)
    and (v.rate is null or {allowance} >= %(count)s)
