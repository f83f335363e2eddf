-- Guards of delivery state, which hold for raw SQL too.

-- No token is issued to a closed subscription, by any statement. The one exception takes no work: a claim that may
-- only ask about calls which were made before the gate closed.
create or replace function runtime_progress_token() returns trigger
language plpgsql as $$
begin
  if new.token < old.token then
    raise exception 'tokens only grow (subscription %, lane %)', new.subscription_id, new.lane
      using errcode = 'check_violation';
  end if;
  if new.token = old.token and new.owner is not null then
    raise exception 'a new owner needs a new token (subscription %, lane %)', new.subscription_id, new.lane
      using errcode = 'check_violation';
  end if;
  if new.token > old.token then
    if new.ask_only then
      if old.intent is null then
        raise exception 'nothing to ask about (subscription %, lane %)', new.subscription_id, new.lane
          using errcode = 'insufficient_privilege';
      end if;
    elsif not exists (select from public.runtime_gate g where g.subscription_id = new.subscription_id) then
      raise exception 'gate closed for subscription %', new.subscription_id
        using errcode = 'insufficient_privilege', constraint = 'runtime_gate_closed';
    end if;
  end if;
  return new;
end $$;

create or replace trigger runtime_progress_token before update on runtime_progress for each row
  when (new.token is distinct from old.token or new.owner is distinct from old.owner)
  execute function runtime_progress_token();

create or replace function runtime_progress_move() returns trigger
language plpgsql as $$
begin
  if new.position < old.position then
    raise exception 'a position only grows (subscription %, lane %)', new.subscription_id, new.lane
      using errcode = 'check_violation';
  end if;
  if new.ask_only
      and (new.position > coalesce(old.intent, old.position) or new.intent > coalesce(old.intent, 0)) then
    raise exception 'this claim may only ask (subscription %, lane %)', new.subscription_id, new.lane
      using errcode = 'insufficient_privilege';
  end if;
  return new;
end $$;

create or replace trigger runtime_progress_move before update on runtime_progress for each row
  when (new.position < old.position or new.ask_only)
  execute function runtime_progress_move();

-- The same for one quarantined message.
create or replace function runtime_quarantine_token() returns trigger
language plpgsql as $$
begin
  if new.token < old.token then
    raise exception 'tokens only grow (subscription %, position %)', new.subscription_id, new.position
      using errcode = 'check_violation';
  end if;
  if new.ask_only then
    if old.state <> 'sending' then
      raise exception 'nothing to ask about (subscription %, position %)', new.subscription_id, new.position
        using errcode = 'insufficient_privilege';
    end if;
  elsif not exists (select from public.runtime_gate g where g.subscription_id = new.subscription_id) then
    raise exception 'gate closed for subscription %', new.subscription_id
      using errcode = 'insufficient_privilege', constraint = 'runtime_gate_closed';
  end if;
  return new;
end $$;

create or replace trigger runtime_quarantine_token before update on runtime_quarantine for each row
  when (new.token is distinct from old.token)
  execute function runtime_quarantine_token();
