-- Until when the occurrences of a freeze window are worked out: where that is said and they are not there, the window
-- no longer freezes. Each step ahead is in the ledger, in the same transaction.
create or replace function governance_horizon_on_record() returns trigger language plpgsql as $$
begin
  if new.ended_at is null
     and new.compiled_until is not null
     and (old.compiled_until is null or new.compiled_until > old.compiled_until)
     and not governance_on_record(array['governance.freeze_planned', 'governance.freeze_compiled',
                                        'governance.freeze_compiled_again'], 'freeze', new.id::text) then
    perform governance_refuse('freeze_horizon_is_on_record',
                              'how far a freeze is worked out moves with an entry in the ledger');
  end if;
  return null;
end $$;
drop trigger if exists horizon_on_record on governance_freezewindow;
create constraint trigger horizon_on_record after update on governance_freezewindow
  deferrable initially deferred for each row when (new.compiled_until is distinct from old.compiled_until)
  execute function governance_horizon_on_record();
