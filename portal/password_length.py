"""How long a password may be: as long as ASVS 2.1.2 allows, so that nobody hands in a text for a password."""

from __future__ import annotations

from django.core.exceptions import ValidationError

LONGEST = 128  # characters; at least 64 have to be allowed


class AtMostSoLong:
    """One of AUTH_PASSWORD_VALIDATORS. A password of before that is longer still signs in."""

    def validate(self, password: str, user: object = None) -> None:
        if len(password) > LONGEST:
            raise ValidationError(f"This password has more than {LONGEST} characters.", code="password_too_long")

    def get_help_text(self) -> str:
        return f"It has {LONGEST} characters at most."
