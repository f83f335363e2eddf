"""A rotated password: the next call opens the connection anew; what cannot be opened is a fault of the connection."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.models import Environment, System, SystemEndpoint
from runtime.connectors.protocols import ConnectionFault, OutboundMessage
from runtime.domain.manifest import Connection
from runtime.ledger.vendor_client import SendResult
from runtime.selectors import destinations
from runtime.services import system_connections
from runtime.services.system_connections import OpenedSink
from runtime.worker.renewed_vendor import RenewedVendor

SETTINGS: dict[str, Any] = {"path": "/sales", "idempotency": "U", "auth": {"kind": "bearer"}}


class Lock:
    """A vendor with one password, and clients that come with the password of the moment they were opened."""

    def __init__(self) -> None:
        self.password, self.ours, self.unset = "old", "old", False
        self.opened, self.closed, self.tries = 0, 0, 0
        self.journal: list[str] = []

    def open(self, unless: object | None) -> OpenedSink | None:
        if self.unset:
            raise ConnectionFault("secret", "The secret is not set.")
        if unless == self.ours:
            return None
        self.opened += 1
        return OpenedSink(None, None, self.ours)  # type: ignore[arg-type]

    def wrap(self, opened: OpenedSink) -> Any:
        return Client(self, str(opened.resolved))


class Client:
    deadline = 1.0
    moved_at: float | None = None

    def __init__(self, lock: Lock, password: str) -> None:
        self.lock, self.password = lock, password

    def close(self) -> None:
        self.lock.closed += 1

    def _says(self, status: Any, key: str) -> SendResult:
        if self.password != self.lock.password:
            return SendResult(status, detail="401", fault="credentials")
        self.lock.journal.append(key)
        return SendResult("confirmed", key)

    def send(self, messages: Any, *, guard: Any) -> list[SendResult]:
        guard()
        self.lock.tries += 1
        return [self._says("unsent", message.key) for message in messages]

    def ask(self, messages: Any, *, by: str = "key") -> list[SendResult]:
        self.lock.tries += 1
        return [self._says("unknown", message.key) for message in messages]


def items(*keys: str) -> list[OutboundMessage]:
    return [OutboundMessage(key, key) for key in keys]


def test_a_new_password_in_the_secret_is_used_in_the_same_call() -> None:
    lock = Lock()
    vendor = RenewedVendor(lock.open, lock.wrap)
    lock.password = lock.ours = "new"
    assert [result.status for result in vendor.send(items("a", "b"), guard=lambda: None)] == ["confirmed"] * 2
    assert (lock.journal, lock.opened, lock.closed) == (["a", "b"], 2, 1)


def test_a_question_is_asked_again_with_the_new_password() -> None:
    lock = Lock()
    vendor = RenewedVendor(lock.open, lock.wrap)
    lock.password = lock.ours = "new"
    assert [result.status for result in vendor.ask(items("a"))] == ["confirmed"]


def test_an_unchanged_password_is_not_tried_twice() -> None:
    lock = Lock()
    vendor = RenewedVendor(lock.open, lock.wrap)
    lock.password = "new"
    assert vendor.send(items("a"), guard=lambda: None)[0].fault == "credentials"
    assert (lock.tries, lock.opened) == (1, 1)


def test_what_the_vendor_said_stands_where_the_secret_is_gone_now() -> None:
    lock = Lock()
    vendor = RenewedVendor(lock.open, lock.wrap)
    lock.password, lock.unset = "new", True
    assert vendor.send(items("a"), guard=lambda: None)[0].fault == "credentials"


@pytest.fixture
def approved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the systems answer is what was approved."""
    monkeypatch.setattr(destinations, "require_approved", lambda endpoint, **where: None)


@pytest.mark.usefixtures("approved")
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("secret", "settings", "kind", "words"),
    [
        ("env:TILLGATE_SECRET_NOWHERE", SETTINGS, "secret", "is not set on this worker"),
        ("file:no/such/secret", SETTINGS, "secret", "cannot be read on this worker"),
        ("file:/no/such/secret", SETTINGS, "secret", "in the folder of secrets"),
        ("env:DATABASE_URL", SETTINGS, "secret", "no secret of a system"),
        ("vault:x", SETTINGS, "secret", "or file:name in the folder"),
        (None, SETTINGS, "address", "no endpoint of erp in test"),
        ("", {**SETTINGS, "path": "${TILLGATE_PLACE_NOWHERE}"}, "address", "TILLGATE_PLACE_NOWHERE"),
        ("", {**SETTINGS, "unheard": 1}, "settings", "unheard"),
        ("", {**SETTINGS, "base_url": "ftp://erp"}, "address", "neither https:// nor http://"),
    ],
)
def test_what_cannot_be_opened_says_which_fault_it_is(
    secret: str | None, settings: dict[str, Any], kind: str, words: str
) -> None:
    system = System.objects.create(key="erp", name="ERP", kind="erp")
    place = Environment.objects.create(key="test", name="Test", position=0)
    if secret is not None:
        SystemEndpoint.objects.create(
            system=system, environment=place, base_url="https://erp.example", secret_ref=secret
        )
    if "base_url" in settings:
        SystemEndpoint.objects.update(base_url=settings["base_url"])
        settings = {name: value for name, value in settings.items() if name != "base_url"}
    with pytest.raises(ConnectionFault) as met:
        system_connections.open_sink_or_fault(
            Connection("rest", settings=settings), system="erp", environment="test", release=1
        )
    assert met.value.kind == kind
    assert words in met.value.message


@pytest.mark.usefixtures("approved")
@pytest.mark.django_db
def test_a_secret_file_is_read_anew_and_an_equal_one_opens_nothing(tmp_path: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text("one")
    system = System.objects.create(key="erp", name="ERP", kind="erp")
    place = Environment.objects.create(key="test", name="Test", position=0)
    SystemEndpoint.objects.create(
        system=system, environment=place, base_url="https://erp.example", secret_ref=f"file:{secret}"
    )

    def opened(unless: object | None = None) -> OpenedSink | None:
        connection = Connection("rest", settings=SETTINGS)
        return system_connections.open_sink_or_fault(
            connection, system="erp", environment="test", release=1, unless=unless
        )

    first = opened()
    assert first
    assert first.secrets["token"] == "one"
    assert opened(first.resolved) is None
    secret.write_text("two")
    again = opened(first.resolved)
    assert again
    assert again.secrets["token"] == "two"
