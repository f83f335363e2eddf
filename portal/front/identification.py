"""Who sends a large body, asked before it is read: nobody's is not kept."""

from __future__ import annotations

from collections.abc import Hashable
from importlib import import_module

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import close_old_connections

from kernel import tokens
from portal.problem import translate_database_error


def identify(authorization: str, session: str) -> Hashable | None:
    """The account behind a header `Authorization` or the key of a session; None where it is nobody's. For a thread.

    Raises Unavailable where the database cannot say it now.
    """
    close_old_connections()
    try:
        if authorization:
            kind, _, secret = authorization.partition(" ")
            token = tokens.find(secret.strip()) if kind.lower() == "bearer" and authorization.isascii() else None
            return token.user.pk if token is not None else None
        store = import_module(settings.SESSION_ENGINE).SessionStore(session or None)
        found = store.get(SESSION_KEY) if session else None
        return int(found) if found is not None else None
    except Exception as error:
        told = translate_database_error(error)
        raise (error if told is None else told) from error
    finally:
        close_old_connections()
