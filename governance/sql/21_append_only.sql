-- Rows that are written once (append_only), kept for ever (no_delete) or never emptied as a table (no_truncate).

create or replace trigger no_delete before delete on governance_changerequest
  for each row execute function kernel_refuse_change();
create or replace trigger no_truncate before truncate on governance_changerequest
  for each statement execute function kernel_refuse_change();

create or replace trigger no_truncate before truncate on governance_changesubject
  for each statement execute function kernel_refuse_change();

create or replace trigger append_only before update or delete on governance_contributor
  for each row execute function kernel_refuse_change();
create or replace trigger no_truncate before truncate on governance_contributor
  for each statement execute function kernel_refuse_change();

create or replace trigger append_only before update or delete on governance_slot
  for each row execute function kernel_refuse_change();
create or replace trigger no_truncate before truncate on governance_slot
  for each statement execute function kernel_refuse_change();

create or replace trigger append_only before update or delete on governance_changeevent
  for each row execute function kernel_refuse_change();
create or replace trigger no_truncate before truncate on governance_changeevent
  for each statement execute function kernel_refuse_change();

create or replace trigger append_only before update or delete on governance_verdict
  for each row execute function kernel_refuse_change();
create or replace trigger no_truncate before truncate on governance_verdict
  for each statement execute function kernel_refuse_change();

create or replace trigger no_delete before delete on governance_checkresult
  for each row execute function kernel_refuse_change();
create or replace trigger no_truncate before truncate on governance_checkresult
  for each statement execute function kernel_refuse_change();

create or replace trigger no_truncate before truncate on governance_decision
  for each statement execute function kernel_refuse_change();
create or replace trigger no_truncate before truncate on governance_breakacceptance
  for each statement execute function kernel_refuse_change();
create or replace trigger no_truncate before truncate on governance_approval
  for each statement execute function kernel_refuse_change();
create or replace trigger no_truncate before truncate on governance_waiver
  for each statement execute function kernel_refuse_change();
create or replace trigger no_truncate before truncate on governance_breakglass
  for each statement execute function kernel_refuse_change();
create or replace trigger no_truncate before truncate on governance_policy
  for each statement execute function kernel_refuse_change();
