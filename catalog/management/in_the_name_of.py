"""`--as`: in whose name a command writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError, CommandParser

from kernel import acting
from kernel.models import User


def add_argument(parser: CommandParser) -> None:
    parser.add_argument("--as", dest="username", default="", help="the person in whose name it is recorded")


@contextmanager
def person(username: str) -> Iterator[User | None]:
    """The person of an open account, or None without a name. Within the block the ledger names who ran the command
    beside the person. Raises CommandError."""
    if not username:
        yield None
        return
    found = User.objects.filter(username=username).first()
    if found is None:
        raise CommandError(f"There is nobody called {username!r}.")
    if not found.is_active:
        raise CommandError(f"The account {username!r} is closed. Name somebody whose account is open.")
    with acting.named_by_command():
        yield found
