-- What django-pgtrigger makes of the models' triggers asks this function first whether the trigger is to be left out.
-- That of the library reads a setting of the session, which every role may set. Nobody leaves out a guard: it says no.
create or replace function _pgtrigger_should_ignore(trigger_name name) returns boolean language sql immutable as $$
  select false
$$;
