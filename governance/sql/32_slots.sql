-- Slots are the approvals that a change needs, derived from the policy once for each revision.
create or replace function governance_slot_guard() returns trigger language plpgsql as $$
declare
  c governance_changerequest%rowtype;
begin
  select * into c from governance_changerequest where id = new.change_id for update;
  if c.state not in ('draft', 'in_review') or new.revision <> c.revision then
    perform governance_refuse('slot_belongs_to_the_present_revision',
                              'slots are derived for the present revision of an open change');
  end if;
  if new.policy_digest <> c.policy_digest then
    perform governance_refuse('slot_follows_the_policy', 'the slot was derived from another policy');
  end if;
  return new;
end $$;
create or replace trigger guard before insert on governance_slot
  for each row execute function governance_slot_guard();
