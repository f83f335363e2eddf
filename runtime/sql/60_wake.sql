-- What waits behind a quarantined message sleeps, and is woken when that one leaves, by whatever statement: the first
-- message of its key that waits, whatever is before it (that may be leaving at the same time), and the same message of
-- the targets that wait for this one. The time moves always, also of what is awake: somebody may be putting it to sleep
-- (`runtime/ledger/sql/quarantine_sleep.sql`) and must not after this.
create or replace function runtime_quarantine_wake() returns trigger
language plpgsql as $$
begin
  update runtime_quarantine q
  set asleep = false,
      not_before = greatest(q.not_before, clock_timestamp())
  where q.subscription_id = old.subscription_id
    and q.key = old.key
    and q.state = 'behind'
    and q.position = (
      select n.position
      from runtime_quarantine n
      where n.subscription_id = old.subscription_id
        and n.key = old.key
        and n.state = 'behind'
      order by n.position
      limit 1
    );
  update runtime_quarantine q
  set asleep = false,
      not_before = greatest(q.not_before, clock_timestamp())
  from runtime_subscription s
  where s.after_subscription = old.subscription_id
    and q.subscription_id = s.id
    and q.lane = old.lane
    and q.position = old.position
    and q.state = 'behind';
  return null;
end $$;

create or replace trigger runtime_quarantine_wake after delete on runtime_quarantine for each row
  execute function runtime_quarantine_wake();
