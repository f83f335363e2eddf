-- What was approved before destinations were part of it is bound to those of the upgrade. It comes
-- last, since rows that were just written hold up changes of their table.
select count(runtime_bind_destinations(a.id))
  from governance_approval a
 where a.subject_kind = 'integration'
   and a.voided_at is null
   and not exists (select from runtime_approveddestination b where b.approval_id = a.id);
