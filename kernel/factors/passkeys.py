"""Passkeys (WebAuthn level 2): what a browser registers and proves with a key that never leaves its authenticator.

The browser is asked a question that only this session knows and that counts once; the answer must come from the address
of this installation (PUBLIC_URL), with the person verified by the authenticator (PIN, finger, face). The library checks
origin, question, flags and signature; whose key it is, its count and single use are checked here.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from kernel import acting, audit, clock, outbox, strict_json
from kernel.errors import Conflict, DomainError, Invalid
from kernel.factors import held
from kernel.models import SecondFactor, User

ANSWER_WITHIN = timedelta(minutes=5)
MOST = 20  # passkeys of one person
LONGEST_ANSWER = 65_536
LOOPBACK = ("127.0.0.1", "::1")
State = Mapping[str, Any]
Result = TypeVar("Result")
log = logging.getLogger(__name__)


def origin() -> str:
    """The address at which passkeys work. Browsers know none of an IP address, so this machine is `localhost`."""
    url = urlsplit(settings.PUBLIC_URL)
    host = "localhost" if url.hostname in LOOPBACK else url.hostname or ""
    return f"{url.scheme}://{host}{f':{url.port}' if url.port else ''}"


def begin_adding(user: User) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what the browser is told, what the session keeps)."""
    about = PublicKeyCredentialUserEntity(name=user.username, id=_handle(user), display_name=str(user))
    options, state = _server().register_begin(
        about,
        credentials=_credentials(user),
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return dict(options), _kept(state, user, "add")


def add(user: User, state: State | None, answer: str, *, name: str, first: bool = False) -> SecondFactor:
    """`first`: only while there is no other. Raises Invalid `factor.refused`; Conflict `factor.too_many`,
    `factor.not_first`."""
    known = _question(state, user, "add")

    def check() -> tuple[AttestedCredentialData, int]:
        read = RegistrationResponse.from_dict(_read(answer))
        _require_same_frame(read.response.client_data)
        made = _server().register_complete(known, read)
        assert made.credential_data is not None
        return made.credential_data, made.counter

    made, count = _checked(check)
    with acting.by(user), transaction.atomic():
        _use(known)
        held.lock(user, first=first)
        if SecondFactor.objects.filter(user=user, kind=SecondFactor.Kind.PASSKEY).count() >= MOST:
            raise Conflict("factor.too_many", f"You have {MOST} passkeys. Remove one first.")
        return _insert(user, made, count, name)


def begin_proving(user: User) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(what the browser is told, what the session keeps); None for a person without a passkey."""
    credentials = _credentials(user)
    if not credentials:
        return None
    options, state = _server().authenticate_begin(credentials, user_verification=UserVerificationRequirement.REQUIRED)
    return dict(options), _kept(state, user, "prove")


def prove(user: User, state: State | None, answer: str) -> SecondFactor:
    """The passkey that answered. Raises Invalid `factor.refused`, and `factor.copied` when its count went back."""
    known = _question(state, user, "prove")

    def check() -> tuple[str, int]:
        read = AuthenticationResponse.from_dict(_read(answer))
        _require_same_frame(read.response.client_data)
        if read.response.user_handle not in (None, b"", _handle(user)):
            raise ValueError("The key is one of another account.")
        used = _server().authenticate_complete(known, _credentials(user), read)
        return websafe_encode(used.credential_id), read.response.authenticator_data.counter

    credential_id, count = _checked(check)
    with transaction.atomic():
        _use(known)
        row = SecondFactor.objects.select_for_update().filter(user=user, credential_id=credential_id).first()
        if row is None:
            raise _refused()
        went_back = (count or row.signatures) and count <= row.signatures
        if went_back:
            _tell_of_copy(user, row, count)
        else:
            row.signatures, row.used_at = count, clock.now()
            row.save(update_fields=["signatures", "used_at"])
    if went_back:
        raise Invalid(
            "factor.copied",
            f"The passkey {row.name} counts fewer uses than before, so there may be a copy of it. It was not accepted. "
            "Sign in another way and remove it.",
        )
    return row


def _server() -> Fido2Server:
    here = origin()
    about = PublicKeyCredentialRpEntity(name="Tillgate", id=urlsplit(here).hostname)
    return Fido2Server(about, verify_origin=lambda given: given == here)


def _handle(user: User) -> bytes:
    """Who a passkey is for, without a name: authenticators keep it."""
    return hashlib.sha256(f"tillgate person {user.pk}".encode()).digest()


def _credentials(user: User) -> list[AttestedCredentialData]:
    rows = SecondFactor.objects.filter(user=user, kind=SecondFactor.Kind.PASSKEY).values_list("credential", flat=True)
    return [AttestedCredentialData(bytes(row)) for row in rows if row is not None]


def _kept(state: Mapping[str, Any], user: User, deed: str) -> dict[str, Any]:
    return {"challenge": state["challenge"], "user": user.pk, "deed": deed, "at": clock.now().isoformat()}


def _question(state: State | None, user: User, deed: str) -> dict[str, Any]:
    """What this session asked this person for this deed, not long ago."""
    fits = bool(state) and state is not None and (state.get("user"), state.get("deed")) == (user.pk, deed)
    if not fits or state is None or clock.now() - datetime.fromisoformat(str(state["at"])) > ANSWER_WITHIN:
        raise _refused("It was asked for too long ago, or in another window.")
    return {"challenge": state["challenge"], "user_verification": UserVerificationRequirement.REQUIRED}


def _use(question: Mapping[str, Any]) -> None:
    """A question is answered once, also by two at the same time."""
    digest = hashlib.sha256(websafe_decode(question["challenge"])).hexdigest()
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into kernel_usedchallenge (digest, at) values (%s, %s) on conflict do nothing",
            [digest, clock.now()],
        )
        if cursor.rowcount != 1:
            raise _refused("It was answered already.")


def _read(answer: str) -> Mapping[str, Any]:
    if len(answer) > LONGEST_ANSWER:
        raise ValueError("The answer is too long.")
    read = strict_json.loads(answer.encode())
    if not isinstance(read, dict):
        raise ValueError("The answer is no object.")
    return read


def _require_same_frame(client_data: Any) -> None:
    if client_data.cross_origin:
        raise ValueError("The page stood in a frame of another site.")


def _checked(check: Callable[[], Result]) -> Result:
    """An answer is made by anybody who can send a form: whatever is wrong with it, it is refused."""
    try:
        return check()
    except DomainError as error:
        raise _refused() from error
    except Exception as error:  # the library raises what its parsers of CBOR, JSON and keys raise
        log.info("an answer of a passkey was refused: %s", error)
        raise _refused() from error


def _refused(why: str = "") -> Invalid:
    return Invalid("factor.refused", f"The passkey was not accepted. {why or 'Nothing was changed.'} Try again.")


def _insert(user: User, made: AttestedCredentialData, count: int, name: str) -> SecondFactor:
    try:
        with transaction.atomic():
            return SecondFactor.objects.create(
                user=user,
                kind=SecondFactor.Kind.PASSKEY,
                name=name,
                credential_id=websafe_encode(made.credential_id),
                credential=bytes(made),
                signatures=count,
                used_at=clock.now(),
            )
    except IntegrityError as error:  # the same key, of this person or of another
        raise _refused("It is known here already.") from error


def _tell_of_copy(user: User, row: SecondFactor, count: int) -> None:
    about = {"name": row.name, "counted": count, "before": row.signatures}
    audit.record("kernel.passkey_count_went_back", "second_factor", user.pk, actor=None, after=about)
    outbox.emit("kernel.second_factor_copied", key=user.pk, payload={"person": user.pk, "name": row.name})
