"""Two roles of the database: the owner of the tables migrates them, and the role that serves owns nothing.

Pages, API, workers and scheduler use DATABASE_URL. Where DATABASE_OWNER_URL names the owner, `as_owner` is how the
commands that change tables become it; nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connections


def serving_role() -> str | None:
    """The role that DATABASE_URL names, where the owner is another one; None where one role does everything."""
    owner, serving = settings.DATABASE_OWNER, connections.databases["default"]
    if not owner or owner["USER"] == serving["USER"]:
        return None
    return str(settings.DATABASE_SERVING_ROLE or serving["USER"])


@contextmanager
def as_owner(using: str = "default") -> Iterator[None]:
    """Django's connection is the owner's until the end of the block; the same one where there is no other owner."""
    if not settings.DATABASE_OWNER or using != "default":
        yield
        return
    wrapper = connections[using]
    serving = wrapper.settings_dict
    wrapper.close()
    wrapper.settings_dict = serving | {key: settings.DATABASE_OWNER[key] for key in _PLACE}
    try:
        yield
    finally:
        wrapper.close()
        wrapper.settings_dict = serving


_PLACE = ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")
