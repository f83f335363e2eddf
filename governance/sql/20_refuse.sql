-- Every refusal has SQLSTATE 23000 and a constraint name, so that it reads the same from Django, psql or another tool.
create or replace function governance_refuse(name text, message text) returns void language plpgsql as $$
begin
  raise exception '%', message using errcode = 'integrity_constraint_violation', constraint = name;
end $$;
