"""Which database was made for the demo. The demo's people have a password that everybody can read: they are made, and
they sign in, only in a database that was empty when the demo began, where `DEMO` is on."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from kernel import audit
from kernel.errors import Conflict
from kernel.models import DemoMark, User
from portal import demo_password
from portal.sign_ins import PASSWORD

NOT_EMPTY = (
    "This database holds data that is not the demo's, so the demo's people, whose password everybody knows, are not "
    "put into it. Set DEMO=no, or name an empty database."
)

ENDED = "The demo of this database ended on {:%Y-%m-%d}. Set DEMO=no."


def begin() -> None:
    """Mark this database as made for the demo, or see that it is. Raises Conflict where it holds other data, or where
    its demo has ended."""
    mark = DemoMark.objects.first()
    if mark is None:
        try:
            with transaction.atomic():
                DemoMark.objects.create()
        except IntegrityError:
            raise Conflict("demo.not_empty", NOT_EMPTY) from None
    elif mark.ended_at is not None:
        raise Conflict("demo.ended", ENDED.format(mark.ended_at))


def refusal() -> str | None:
    """Why the demo must not begin here, before anything is migrated; None where it may."""
    with connection.cursor() as cursor:
        cursor.execute("select to_regclass('kernel_demomark') is not null, to_regclass('kernel_user') is not null")
        marks, migrated = cursor.fetchone()
        if not migrated:
            return None
        if marks:
            cursor.execute("select ended_at from kernel_demomark")
            if (mark := cursor.fetchone()) is not None:
                return None if mark[0] is None else ENDED.format(mark[0])
        cursor.execute(_OTHERS, {"names": [*demo_password.NAMES, "arno", "pipeline"]})
        return NOT_EMPTY if cursor.fetchone()[0] else None


# The demo's people are the first in a database of before that was made for it; one without accounts is nobody's.
_OTHERS = """
select coalesce(not bool_and(f.username = any(%(names)s)), false)
  from (select username from kernel_user order by id limit 10) f"""


def is_open() -> bool:
    """Whether the demo's password counts here."""
    return bool(settings.DEMO) and was_made_for_it()


def was_made_for_it() -> bool:
    """Whether it still is what the demo made."""
    return DemoMark.objects.filter(ended_at=None).exists()


def open_accounts() -> list[str]:
    """The accounts of the demo that are open and still have its password."""
    people = User.objects.filter(username__in=demo_password.NAMES, is_active=True).order_by("username")
    return demo_password.holders(people.values_list("username", "password"))


def end() -> None:
    """This database is no demo any more, and never becomes one again. Raises Conflict where accounts of it are open."""
    mark = DemoMark.objects.filter(ended_at=None).first()
    if mark is None:
        raise Conflict("demo.none", "This database was not made for the demo, or its demo has ended already.")
    if still := open_accounts():
        said = (
            f"These accounts still have the demo's password: {', '.join(still)}. Close them, or set another password."
        )
        raise Conflict("demo.accounts", said)
    with transaction.atomic():
        audit.record("kernel.demo_ended", "demo", 1, actor=None, before={"made_at": mark.made_at})
        DemoMark.objects.filter(pk=mark.pk).update(ended_at=Now())


class DemoDoor:
    """The first of AUTHENTICATION_BACKENDS; it signs nobody in. The demo's password opens nothing outside of the demo,
    for no account."""

    def authenticate(self, request: Any, username: str | None = None, password: str | None = None) -> None:
        if password == PASSWORD and not is_open():
            raise PermissionDenied("the password of the demo counts in the demo alone")


class NotTheDemosPassword:
    """One of AUTH_PASSWORD_VALIDATORS."""

    def validate(self, password: str, user: object = None) -> None:
        if password == PASSWORD:
            raise ValidationError("This is the password of the demo, which everybody can read.", code="demo_password")

    def get_help_text(self) -> str:
        return "It cannot be the password of the demo."
