"""The person who looks at a page."""

from __future__ import annotations

from django.http import HttpRequest

from kernel.models import User


def person(request: HttpRequest) -> User:
    """The signed-in user; the middleware sends anonymous visitors to the sign-in page."""
    user: User = request.user  # type: ignore[assignment]
    return user
