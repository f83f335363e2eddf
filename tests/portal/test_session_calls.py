"""The API in a browser's session: the token against foreign forms comes in the header, and the body stays for the view,
whole, whatever it says it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

from kernel.models import User

pytestmark = pytest.mark.django_db
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "openapi.yaml"
VERDICTS = "/api/v1/gate/verdicts"
QUESTION = {"application": "web-shop", "version": "1", "environment": "production", "consumes": []}
TOKEN = "a" * 32
PARTS = '--x\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n' + TOKEN + "\r\n--x--\r\n"
MEDIA = {
    "JSON": ("application/json", '{"a": 1}'),
    "JSON that is none": ("application/json", "{"),
    "nothing": ("application/json", ""),
    "a form": ("application/x-www-form-urlencoded", f"csrfmiddlewaretoken={TOKEN}"),
    "parts": ("multipart/form-data; boundary=x", PARTS),
    "parts that are none": ("multipart/form-data", "--x"),
    "XML": ("application/xml", "<a/>"),
    "text": ("text/plain", "a"),
    "no word of it": ("", "a"),
}


@pytest.fixture
def browser() -> Client:
    """As a browser has it: the guard against foreign forms is on. An error of the product is an answer, too."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(User.objects.create_superuser("ann"), backend="django.contrib.auth.backends.ModelBackend")
    client.cookies["csrftoken"] = TOKEN
    return client


def ask(client: Client, path: str, body: str, media: str, method: str = "POST") -> Any:
    return client.generic(method, path, body, content_type=media, headers={"X-CSRFToken": TOKEN})


def writing() -> list[tuple[str, str]]:
    """Each address and method of the API that writes with a session; what stands in braces is a name of nothing."""
    paths = yaml.load(DOCUMENT.read_text(), Loader=yaml.CSafeLoader)["paths"]
    return [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, methods in paths.items()
        for method, operation in methods.items()
        if method in ("post", "put", "patch", "delete") and {"cookieAuth": []} in operation.get("security", [])
    ]


def test_the_gate_answers_a_question_that_is_asked_in_a_session(browser: Client) -> None:
    answer = browser.post(VERDICTS, QUESTION, content_type="application/json", headers={"X-CSRFToken": TOKEN})
    assert answer.status_code in (200, 422), answer.content
    assert answer.json().get("code") != "page.server_error"


@pytest.mark.parametrize("media", MEDIA)
def test_no_body_of_any_media_type_is_a_fault_of_the_product(browser: Client, media: str) -> None:
    said, body = MEDIA[media]
    asked = writing()
    assert len(asked) > 60
    answers = {(method, path): ask(browser, path, body, said, method) for method, path in asked}
    assert {at: (one.status_code, one.content[:200]) for at, one in answers.items() if one.status_code >= 500} == {}
    assert "CSRF" not in str([one.content for one in answers.values() if one.status_code == 403])


@pytest.mark.parametrize("media", ["JSON that is none", "a form", "parts", "parts that are none"])
@pytest.mark.parametrize("path", [VERDICTS, "/api/v1/intake/sales/"])
def test_without_the_header_nothing_is_read(browser: Client, path: str, media: str) -> None:
    """A form of another page can bear what it likes, the token too; it is refused before anybody looks into it."""
    said, body = MEDIA[media]
    answer = browser.generic("POST", path, body, content_type=said)
    assert answer.status_code == 403, answer.content
    assert "CSRF" in answer.json()["detail"]
