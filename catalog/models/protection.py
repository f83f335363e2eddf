"""Triggers that hold an invariant for every writer, raw SQL included."""

import pgtrigger


def never_deleted(noun: str) -> pgtrigger.Protect:
    """Facts are retired, never deleted."""
    return pgtrigger.Protect(name=f"{noun}_never_deleted", operation=pgtrigger.Delete)


def never_changed(noun: str) -> pgtrigger.Protect:
    """Rows that are evidence: written once."""
    return pgtrigger.Protect(name=f"{noun}_never_changed", operation=pgtrigger.Update | pgtrigger.Delete)
