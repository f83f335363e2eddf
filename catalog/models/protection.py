"""Triggers that hold an invariant for every writer, raw SQL included."""

import pgtrigger


def never_deleted(noun: str) -> pgtrigger.Protect:
    """Facts are retired, never deleted."""
    return pgtrigger.Protect(name=f"{noun}_never_deleted", operation=pgtrigger.Delete)


def dropped_on_purpose(noun: str) -> pgtrigger.Trigger:
    """Evidence that may be withdrawn, by a service that says so (`set_config('tillgate.dropping', noun, true)`)."""
    return pgtrigger.Trigger(
        name=f"{noun}_dropped_on_purpose",
        operation=pgtrigger.Delete,
        when=pgtrigger.Before,
        func=f"""
if current_setting('tillgate.dropping', true) is distinct from '{noun}' then
  raise exception using errcode = 'check_violation', constraint = '{noun}_dropped_on_purpose',
    message = 'a {noun} is evidence and is dropped through the product only';
end if;
return old;
""",
    )


def never_changed(noun: str) -> pgtrigger.Protect:
    """Rows that are evidence: written once."""
    return pgtrigger.Protect(name=f"{noun}_never_changed", operation=pgtrigger.Update | pgtrigger.Delete)
