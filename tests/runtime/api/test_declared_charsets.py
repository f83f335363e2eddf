"""A charset in the media type of a call that is none: the call is refused with what to do, never a fault of ours."""

from __future__ import annotations

import codecs
import pkgutil
from encodings import __path__ as codec_folder
from encodings import aliases
from typing import Any

import pytest
from django.urls import reverse

from kernel import tokens
from tests.runtime import scene
from tests.runtime.api.test_intake_poslog import RUNG, with_source
from tests.runtime.connectors.receipts import poslog, receipt

pytestmark = pytest.mark.django_db(transaction=True)
NO_CHARSETS = ("idna", "hex", "base64", "punycode", "undefined", "rot13", "zip", "nope")


@pytest.fixture
def send(client: Any) -> Any:
    people = scene.estate()
    secret = tokens.issue(actor=people.sofia, user=people.sofia, name="till", scopes=["runtime:write"])[1]
    client.raise_request_exception = False
    scene.Site(with_source(poslog={}), people.groups["sales-finance"])
    address = reverse("runtime-api:intake", args=["sales"])

    def call(media_type: str, body: bytes, query: str = "") -> Any:
        return client.generic(
            "POST", address + query, body, content_type=media_type, headers={"Authorization": f"Bearer {secret}"}
        )

    return call


def test_a_charset_that_is_none_is_refused(send) -> None:
    body = poslog(receipt(*RUNG))
    for name in NO_CHARSETS:
        for media_type, sent in (("application/xml", body), ("application/json", b'{"items": []}')):
            for query in ("", "?environment=production"):
                answer = send(f"{media_type}; charset={name}", sent, query)
                assert (answer.status_code, answer.json()["code"]) == (415, "request.charset"), (name, answer.content)
    for name in ("utf-16", "utf-32", "cp037"):
        answer = send(f"application/xml; charset={name}", body)
        assert (answer.status_code, answer.json()["code"]) == (400, "xml.syntax"), (name, answer.content)
    for name in (*NO_CHARSETS, "utf-16", "utf-32"):
        answer = send("application/xml", f'<?xml version="1.0" encoding="{name}"?>'.encode() + body)
        assert (answer.status_code, answer.json()["code"]) == (400, "xml.syntax"), (name, answer.content)
    assert send("application/xml; charset=utf-16", body.decode().encode("utf-16")).status_code == 202


def codecs_of_python() -> list[str]:
    """Every codec that a name in a media type could mean, in one spelling each."""
    modules = [one.name for one in pkgutil.iter_modules(codec_folder)]
    known = {}
    for name in [*modules, *aliases.aliases.values(), "idna", "punycode", "undefined", "mbcs", "oem"]:
        try:
            known.setdefault(codecs.lookup(name).name, name)
        except LookupError:
            continue
    return sorted(known.values())


def test_no_codec_of_python_in_a_media_type_is_a_fault_of_ours(send) -> None:
    """Batches are UTF-8, whatever else Python could decode; XML is read where the name is that of a charset."""
    body, utf_8 = poslog(receipt(*RUNG)), {"utf-8", "ascii"}
    names = codecs_of_python()
    assert {"hex_codec", "rot_13", "bz2_codec", "zlib_codec", "quopri_codec", "uu_codec", "idna"} <= set(names)
    for name in names:
        for written in (name, name.upper(), f'"{name}"'):
            answer = send(f"application/json; charset={written}", b'{"items": [{"id": 1}]}')
            taken = codecs.lookup(name).name in utf_8 and "_" not in name
            assert answer.status_code == (202 if taken else 415), (written, answer.content)
        answer = send(f"application/xml; charset={name}", body)
        assert answer.status_code in (202, 400, 415, 422), (name, answer.content)
        if not codecs.lookup(name)._is_text_encoding:
            assert answer.status_code == 415, (name, answer.content)


def test_a_form_of_a_charset_that_is_none_is_read_as_utf_8(client) -> None:
    client.raise_request_exception = False
    for name in NO_CHARSETS:
        answer = client.generic(
            "POST", "/login/?next=/x", b"username=a", content_type=f"application/x-www-form-urlencoded; charset={name}"
        )
        assert answer.status_code < 500, (name, answer.content[:300])
