"""What an agent may not hold, for every writer: a scope that decides, or changes what decisions rest on.

The database refuses such a token, and ends those of an account that becomes an agent.
"""

from __future__ import annotations

import pgtrigger

DECIDING = ("catalog:write", "governance:write", "runtime:write")
_LISTED = ", ".join(f"'{scope}'" for scope in DECIDING)

TOKEN_DECIDES_NOTHING = pgtrigger.Trigger(
    name="agent_token_decides_nothing",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.UpdateOf("scopes", "user_id", "revoked_at"),
    func=f"""
if new.revoked_at is null and new.scopes ?| array[{_LISTED}]
   and exists (select from kernel_user u where u.id = new.user_id and u.kind = 'agent') then
  raise exception using errcode = 'check_violation', constraint = 'agent_token_decides_nothing',
    message = 'a token of an agent holds no deciding scope';
end if;
return new;
""",
)
AGENT_DECIDES_NOTHING = pgtrigger.Trigger(
    name="agent_decides_nothing",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.UpdateOf("kind", "is_superuser", "is_staff"),
    func=f"""
if new.kind = 'agent' then
  if new.is_superuser or new.is_staff then
    raise exception using errcode = 'check_violation', constraint = 'agent_decides_nothing',
      message = 'an agent is no administrator';
  end if;
  update kernel_apitoken set revoked_at = clock_timestamp()
   where user_id = new.id and revoked_at is null and scopes ?| array[{_LISTED}];
end if;
return new;
""",  # noqa: S608 - constants, never input
)
