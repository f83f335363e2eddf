"""People with second factors, and browsers that answer for them."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pyotp
from django.test import Client

from kernel import clock
from kernel.factors import apps, passkeys
from kernel.models import SecondFactor, User
from tests.portal import make
from tests.portal.soft_authenticator import SoftAuthenticator

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
STEP = timedelta(seconds=apps.SECONDS)


def code(steps: int = 0, secret: str = SECRET) -> str:
    """What the app shows so many steps from now."""
    return str(pyotp.TOTP(secret).at(clock.now() + steps * STEP))


def with_app(user: User) -> User:
    """Added some time ago: the code of now is unused."""
    with clock.frozen(clock.now() - 4 * STEP):
        apps.add(user, secret=SECRET, code=code(), name="Phone")
    return user


def with_passkey(user: User, authenticator: SoftAuthenticator | None = None) -> SoftAuthenticator:
    made = authenticator or SoftAuthenticator()
    options, state = passkeys.begin_adding(user)
    passkeys.add(user, state, json.dumps(made.register(options)), name="Laptop")
    return made


def begun(name: str = "ann", password: str = make.PASSWORD, *, client: Client | None = None) -> Client:
    """A browser in which the password was given."""
    made = client or Client()
    answer = made.post("/sign-in/", {"username": name, "password": password})
    assert (answer.status_code, answer.url) == (302, "/sign-in/second/"), answer.content
    return made


def options_on(page: Any, kind: str = "get") -> dict[str, Any]:
    """What the page asks a passkey."""
    found = re.search(rf'data-passkey="{kind}"[^>]*data-options="([^"]*)"', page.text)
    assert found, "the page asks for no passkey"
    asked: dict[str, Any] = json.loads(unescape(found[1]))
    return asked


def inside(client: Client) -> bool:
    return client.get("/settings/account/").status_code == 200


def only(user: User) -> SecondFactor:
    return SecondFactor.objects.get(user=user)


def later(minutes: float) -> datetime:
    return clock.now() + timedelta(minutes=minutes)
