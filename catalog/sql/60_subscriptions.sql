-- A person who asked for a subscription does not decide about it, by no account of theirs.
create or replace function catalog_subscription_decided() returns trigger language plpgsql as $$
begin
  if new.decided_by_id is not null
     and new.requested_by_id is not null
     and kernel_person(new.decided_by_id) = kernel_person(new.requested_by_id) then
    raise exception 'the person who asked for a subscription does not decide about it'
      using errcode = 'integrity_constraint_violation', constraint = 'subscription_not_decided_by_requester';
  end if;
  return new;
end $$;
create or replace trigger decided before insert or update of decided_by_id on catalog_subscription
  for each row execute function catalog_subscription_decided();
