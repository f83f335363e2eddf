-- Whether a message of this target met the present fault of its connection, and no person has decided about it yet. The
-- fault is the vendor's, or the target's own. One that a person lets try now (`openings` is 0), or that others of the
-- vendor do not meet (`fault_tries` is 0), is tried.
select exists (
    select
    from runtime_subscription s
    join runtime_vendorstate v on v.id = s.vendor_id
    join runtime_quarantine q on q.subscription_id = s.id
    where s.id = %(subscription)s
        and q.state = 'unknown'
        and q.first_seen_at > case
            when not %(own)s and v.openings > 0 then v.fault_since
            when %(own)s and s.fault_tries > 0 then s.fault_since
        end - interval '1 minute'
)
