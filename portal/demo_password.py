"""Which accounts still have the password of the demo. Needs settings, and no model."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.hashers import check_password, is_password_usable

from portal.sign_ins import PASSWORD, SIGN_INS

NAMES = [one.name for one in SIGN_INS]


def holders(accounts: Iterable[tuple[str, str]]) -> list[str]:
    """The names among (name, stored password) that have it. A good hash takes its time, so one that several of them
    share is tried once."""
    known: dict[str, bool] = {}
    found = []
    for name, stored in accounts:
        if is_password_usable(stored) and stored not in known:
            known[stored] = check_password(PASSWORD, stored)
        if known.get(stored):
            found.append(name)
    return found
