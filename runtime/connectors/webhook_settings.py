"""How a vendor's webhooks are signed, and what is in them: settings of `webhook` at a source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from runtime.connectors.selection import selection
from runtime.connectors.settings import read_settings, wrong_setting

Kind = Literal["hmac", "timestamped", "standard", "adyen", "shared"]
KEYS = {"hmac": "text", "timestamped": "text", "standard": "base64", "adyen": "hex", "shared": "text"}
HEADER = "header:"
BODY = "body:"
TEXT = "text:"
LONGEST_ANSWER = 200  # characters
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_MEMBER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,79}")


class SignatureSettings(msgspec.Struct, frozen=True):
    """How a call proves that the vendor sent it.

    hmac         HMAC-SHA256 over the parts of `over`, in `header` (Shopify, Square, Voucherify, GitHub, Klaviyo)
    timestamped  `t=<seconds>,v1=<hex>` in `header`, over time, a dot and the body (Stripe)
    standard     Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`
    adyen        HMAC-SHA256 over fields of each item, in its `additionalData.hmacSignature`
    shared       `header` holds the secret itself (BigCommerce, Basic of others)

    header      where the signature stands
    encoding    how it is written there
    prefix      what stands before it: `sha256=`
    over        what is signed, in this order: `body`, `url` (the address as the vendor has it), `header:<name>`,
                `text:<text>`
    time        a header, part of `over`, that says when the call was made: seconds since 1970, or ISO 8601
    tolerance   seconds by which a signed time may differ from ours
    key         how the secret is written: `text`, `base64`, `hex`; what the kind says, where it is not given
    """

    kind: Kind
    header: str = ""
    encoding: Literal["base64", "hex"] = "base64"
    prefix: str = ""
    over: Annotated[list[str], msgspec.Meta(min_length=1, max_length=10)] = msgspec.field(
        default_factory=lambda: ["body"]
    )
    time: str | None = None
    tolerance: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 300
    key: Literal["text", "base64", "hex"] | None = None

    VARIANTS: ClassVar[tuple[str, dict[str, tuple[str, ...]]]] = (
        "kind",
        {
            "hmac": ("header", "encoding", "prefix", "over", "time", "tolerance", "key"),
            "timestamped": ("header", "tolerance", "key"),
            "standard": ("tolerance", "key"),
            "adyen": ("key",),
            "shared": ("header", "prefix"),
        },
    )

    @property
    def key_form(self) -> str:
        return self.key or KEYS[self.kind]

    @property
    def of_url(self) -> bool:
        return self.kind == "hmac" and "url" in self.over


class SequenceSettings(msgspec.Struct, frozen=True):
    """Numbers that the vendor gives the events of one resource, without a gap: what is missing is told.

    resource  JMESPath to the resource's name
    number    JMESPath to the number
    """

    resource: str
    number: str


class WebhookSettings(msgspec.Struct, frozen=True):
    """What comes in at a source's address. A place is `header:<name>` or JMESPath on the body.

    signature     how a call is signed
    id            place of the vendor's own id of the event: the same id with the same content is done once
    ids_kept      days for which ids are remembered
    only          places with the values that are taken (`*` at the end: what begins so); all else is ignored
    items         JMESPath to the message, or to a list of messages; without it the body is the message
    add           members that a message gets beside its own: `header:<name>`, `body:<JMESPath>` (of the whole body), or
                  JMESPath on the message; one that the message has itself stays
    changed       JMESPath to the key, or keys, of what has changed, where webhooks mean `changes`
    fetch_every   seconds between two readings that changes ask for
    sequence      numbers of events without a gap
    answer        the text of the answer, where the vendor wants one: `[accepted]`
    """

    signature: SignatureSettings
    id: str | None = None
    ids_kept: Annotated[int, msgspec.Meta(ge=1, le=400)] = 30
    only: dict[str, list[str]] = msgspec.field(default_factory=dict)
    items: str = ""
    add: dict[str, str] = msgspec.field(default_factory=dict)
    changed: str | None = None
    fetch_every: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 5
    sequence: SequenceSettings | None = None
    answer: str = ""


def webhook_settings(data: Mapping[str, Any]) -> WebhookSettings:
    """Raises Invalid `connection.settings` with every place that is wrong first."""
    made: WebhookSettings = read_settings(WebhookSettings, data)
    _signature(made.signature)
    for pointer, expression in _expressions(made):
        selection(expression, pointer)
    for name, place in (("id", made.id), *((f"only/{_step(place)}", place) for place in made.only)):
        if place is not None and place.startswith(HEADER):
            _header(f"/{name}", place.removeprefix(HEADER))
    for member, place in made.add.items():
        if not _MEMBER.fullmatch(member):
            raise wrong_setting(f"/add/{_step(member)}", "A member is a word of letters, digits, `_` and `-`.")
        if place.startswith(HEADER):
            _header(f"/add/{member}", place.removeprefix(HEADER))
    if len(made.answer) > LONGEST_ANSWER or not (made.answer.isprintable() and made.answer.isascii()):
        raise wrong_setting("/answer", f"The answer is at most {LONGEST_ANSWER} printable signs of ASCII.")
    return made


def _signature(made: SignatureSettings) -> None:
    if made.kind in ("hmac", "timestamped", "shared"):
        _header("/signature/header", made.header)
    if made.kind != "hmac":
        return
    for index, part in enumerate(made.over):
        if part.startswith(HEADER):
            _header(f"/signature/over/{index}", part.removeprefix(HEADER))
        elif part not in ("body", "url") and not part.startswith(TEXT):
            said = "A part is `body`, `url`, `header:<name>` or `text:<text>`."
            raise wrong_setting(f"/signature/over/{index}", said)
    if "body" not in made.over:
        raise wrong_setting("/signature/over", "The body has to be signed: it is what is believed.")
    if made.time is not None and f"{HEADER}{made.time}".lower() not in [part.lower() for part in made.over]:
        raise wrong_setting("/signature/time", "A time that is not signed says nothing: name its header in `over`.")


def _header(pointer: str, name: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise wrong_setting(pointer, f"{name[:80]!r} is no name of a header.")


def _expressions(made: WebhookSettings) -> Iterator[tuple[str, str]]:
    places = [("/id", made.id), *((f"/only/{_step(place)}", place) for place in made.only)]
    places += [(f"/add/{_step(name)}", place.removeprefix(BODY)) for name, place in made.add.items()]
    places += [("/items", made.items or None), ("/changed", made.changed)]
    if made.sequence is not None:
        places += [("/sequence/resource", made.sequence.resource), ("/sequence/number", made.sequence.number)]
    yield from ((at, place) for at, place in places if place is not None and not place.startswith(HEADER))


def _step(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
