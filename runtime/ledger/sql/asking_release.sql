-- The release by which a target is asked about what was sent, where none may send now: the deployed one if its approval
-- is valid, else the newest approved one of the integration, else the one that was deployed last.
select coalesce(
    (
        select r.id
        from runtime_stream t
        join runtime_integration i on i.id = t.integration_id
        join runtime_release r on r.integration_id = i.id
        join governance_valid_approval a
            on a.subject_kind = 'integration'
            and a.subject_id = i.key
            and a.digest = r.digest
            and a.environment = t.environment
        where t.id = s.stream_id
        order by (r.id = d.release_id and d.active) desc, r.id desc
        limit 1
    ),
    d.release_id
)
from runtime_subscription s
join runtime_deployment d on d.id = s.deployment_id
where s.id = %s
