-- The digests that decisions and approvals are bound to, computed by the database from its rows.

-- One subject: its digest. Several: the SHA-256 over kind, id and digest of each, in a fixed order. None: empty.
create or replace function governance_subject_digest(change bigint) returns text language sql stable as $$
  select case count(*)
           when 0 then ''
           when 1 then max(digest)
           else 'sha256:' || encode(sha256(convert_to(
                  string_agg(kind || E'\n' || subject_id || E'\n' || digest || E'\n', ''
                             order by kind collate "C", subject_id collate "C"), 'UTF8')), 'hex')
         end
    from governance_changesubject
   where change_id = change
$$;

-- Over the active policies of these levels. Without an active policy of the organisation there is no policy digest, and
-- nothing can be submitted.
create or replace function governance_policy_digest(levels text[]) returns text language sql stable as $$
  select case
           when bool_or(level = 'organisation')
           then 'sha256:' || encode(sha256(convert_to(
                  string_agg(level || ':' || digest || E'\n', '' order by level collate "C"), 'UTF8')), 'hex')
           else ''
         end
    from governance_policy
   where state = 'active'
     and level = any(levels)
$$;
