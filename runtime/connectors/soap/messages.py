"""Messages of a WSDL: documents become envelopes by its schemas, answers become documents without their prefixes.

zeep reads the WSDL and writes envelopes. It never calls anything: its transport here refuses, so nothing is imported,
and no entity is resolved.
"""

from __future__ import annotations

import hashlib
import io
from functools import lru_cache
from typing import Any

import msgspec
from lxml import etree

from kernel.errors import Invalid
from runtime.connectors.protocols import Refused
from runtime.connectors.settings import wrong_setting

MOST_ELEMENTS, DEEPEST = 200_000, 60
_WSA = "http://www.w3.org/2005/08/addressing"
_ENVELOPES = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")
_XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


class _NoTransport:
    """What a WSDL would have fetched is not: it holds its schemas."""

    def load(self, url: str) -> bytes:
        raise wrong_setting("/wsdl", f"The WSDL imports {url[:200]!r}. Put its schemas into the one document.")

    get = post = post_xml = load


class SoapMessages:
    """Of one port. Raises Invalid, with a pointer, for a WSDL that cannot be used."""

    def __init__(self, wsdl: str, service: str, port: str) -> None:
        self._client = _client(wsdl)
        services = self._client.wsdl.services
        if not services:
            raise wrong_setting("/wsdl", "The WSDL cannot be used: it has no service.")
        chosen = services.get(service) if service else next(iter(services.values()), None)
        if chosen is None or (not service and len(services) > 1):
            raise wrong_setting("/service", f"The WSDL has {len(services)} services; name one of them.")
        ports = chosen.ports
        one = ports.get(port) if port else next(iter(ports.values()), None)
        if one is None or (port == "" and len(ports) > 1):
            raise wrong_setting(
                "/port", f"The service {chosen.name!r} has {len(ports)} ports of SOAP; name one of them."
            )
        self._binding, self._options = one.binding, dict(one.binding_options)

    def needs(self, operation: str, pointer: str) -> None:
        """Raises Invalid where the port has no such operation."""
        if self._binding._operations.get(operation) is None:
            raise wrong_setting(pointer, f"The port of the WSDL has no operation {operation!r}.")

    def written(
        self, operation: str, document: Any, *, message_id: str = "", to: str = ""
    ) -> tuple[bytes, dict[str, str]]:
        """The envelope of a message, and its HTTP headers. `message_id`: in a header of WS-Addressing. Raises Refused
        for a document that the schemas do not take."""
        from zeep.exceptions import Error as ZeepError

        if not isinstance(document, dict):
            raise Refused("soap.document", "The document is not a JSON object, so it is no message.")
        try:
            envelope, headers = self._binding._create(
                operation, (), document, client=self._client, options=self._options
            )
        except (ZeepError, TypeError, ValueError, ArithmeticError, AttributeError, LookupError) as error:
            words = " ".join(str(error).split())[:500]
            raise Refused("soap.document", f"The schemas of {operation} do not take the document: {words}") from None
        if message_id:
            _address(envelope, message_id, headers.get("SOAPAction", "").strip('"'), to)
        return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8"), dict(headers)


@lru_cache(32)
def _client(wsdl: str) -> Any:
    """A reading of a WSDL, shared by all connections that have it."""
    from zeep import Client, Settings
    from zeep.exceptions import Error as ZeepError

    limits = Settings(strict=True, forbid_dtd=True, forbid_entities=True, forbid_external=True, xml_huge_tree=False)
    try:
        return Client(io.BytesIO(wsdl.encode()), transport=_NoTransport(), settings=limits)
    except Invalid:
        raise
    except (ZeepError, etree.Error, ValueError, LookupError, TypeError, AttributeError, NotImplementedError) as error:
        words = " ".join(str(error).split())[:300] or type(error).__name__
        raise wrong_setting("/wsdl", f"The WSDL cannot be used: {words}") from None


def _address(envelope: Any, message_id: str, action: str, to: str) -> None:
    """Headers of WS-Addressing 1.0 (core, §3), in the place of those with an id that is new each time."""
    space = etree.QName(envelope).namespace
    header = envelope.find(f"{{{space}}}Header")
    if header is None:
        header = etree.Element(f"{{{space}}}Header")
        envelope.insert(0, header)
    for old in [one for one in header if etree.QName(one).namespace == _WSA]:
        header.remove(old)
    for name, value in (("Action", action), ("MessageID", message_id), ("To", to)):
        if value:
            etree.SubElement(header, f"{{{_WSA}}}{name}", nsmap={"wsa": _WSA}).text = value


def message_uuid(key: str) -> str:
    """The id of a message: a UUID made of its key alone (RFC 9562 §5.8), so that it is the same in every attempt."""
    made = bytearray(hashlib.sha256(f"tillgate.message\0{key}".encode()).digest()[:16])
    made[6] = made[6] & 0x0F | 0x80
    made[8] = made[8] & 0x3F | 0x80
    text = made.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class NoEnvelope(ValueError):
    """An answer that is no envelope of SOAP."""


def body_of(content: bytes) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """(what the Body holds, its Fault where it has one: `code`, `message`, `detail`). Raises NoEnvelope."""
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise NoEnvelope("it declares entities")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NoEnvelope(f"it is no XML ({str(error)[:200]})") from None
    name = etree.QName(root)
    if name.localname != "Envelope" or name.namespace not in _ENVELOPES:
        raise NoEnvelope(f"it is {name.localname[:60]!r}, and no Envelope")
    body = root.find(f"{{{name.namespace}}}Body")
    if body is None:
        raise NoEnvelope("it has no Body")
    if sum(1 for _ in body.iter()) > MOST_ELEMENTS:
        raise NoEnvelope(f"it has more than {MOST_ELEMENTS:,} elements")
    found = body.find(f"{{{name.namespace}}}Fault")
    document = _document(body, 0)
    held = document if isinstance(document, dict) else {}
    return held, None if found is None else _fault(found, str(name.namespace))


def _fault(fault: Any, space: str) -> dict[str, Any]:
    """A fault of SOAP 1.1 (§4.4) or 1.2 (part 1, §5.4), in one form."""
    if space == _ENVELOPES[0]:
        code = fault.findtext("faultcode") or ""
        return {
            "code": code.rpartition(":")[2].partition(".")[0].strip(),
            "subcode": code.rpartition(":")[2].partition(".")[2].strip(),
            "message": " ".join((fault.findtext("faultstring") or "").split()),
            "detail": _detail(fault.find("detail")),
        }
    code = fault.findtext(f"{{{space}}}Code/{{{space}}}Value") or ""
    sub = fault.findtext(f"{{{space}}}Code/{{{space}}}Subcode/{{{space}}}Value") or ""
    words = fault.findtext(f"{{{space}}}Reason/{{{space}}}Text") or ""
    named = {"Sender": "Client", "Receiver": "Server"}
    last = code.rpartition(":")[2].strip()
    return {
        "code": named.get(last, last),
        "subcode": sub.rpartition(":")[2].strip(),
        "message": " ".join(words.split()),
        "detail": _detail(fault.find(f"{{{space}}}Detail")),
    }


def _detail(detail: Any) -> Any:
    return None if detail is None else _document(detail, 0)


def _document(element: Any, depth: int) -> Any:
    """An element as JSON: names without prefixes, elements of one name as a list, an attribute as a member."""
    if depth > DEEPEST:
        raise NoEnvelope(f"it is deeper than {DEEPEST} levels")
    if element.get(_XSI_NIL) in ("true", "1"):
        return None
    made: dict[str, Any] = {etree.QName(name).localname: value for name, value in element.attrib.items()}
    for child in element:
        name, value = etree.QName(child).localname, _document(child, depth + 1)
        if name not in made:
            made[name] = value
        elif isinstance(made[name], list):
            made[name].append(value)
        else:
            made[name] = [made[name], value]
    text = (element.text or "").strip()
    if not made:
        return text
    return {**made, "value": text} if text and "value" not in made else made


def decoded(body: bytes) -> Any:
    """A document with its numbers as they are written."""
    from decimal import Decimal

    try:
        return msgspec.json.Decoder(float_hook=Decimal).decode(body)
    except ValueError:
        return None


__all__ = ["NoEnvelope", "SoapMessages", "body_of", "decoded", "message_uuid"]
