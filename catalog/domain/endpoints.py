"""What an endpoint of a system may say: an address and further hosts, how one signs in there, the names of the secret
and of the certificates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernel import authorities
from kernel.errors import finding

AUTH_WORDS = {
    "none": "None",
    "basic": "User and password",
    "bearer": "Bearer token",
    "api_key": "API key",
    "header": "A header of its own",
    "oauth2_client_credentials": "OAuth 2, client credentials",
}
AUTH_KINDS = tuple(AUTH_WORDS)
AUTH_CHOICES = tuple((kind, f"{word} ({kind})") for kind, word in AUTH_WORDS.items())  # for forms
LONGEST = {"base_url": 500, "secret_ref": 200, "trust_ref": 200}
MOST_FURTHER_HOSTS = 20
_NAMED = {"secret_ref": "secret", "trust_ref": "file of certificates"}


def findings(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is wrong with the values of an endpoint, each with its pointer; an empty list where nothing is."""
    wrong = [name for name in LONGEST if not isinstance(values.get(name) or "", str)]
    found = [finding(f"/{name}", "Enter text.") for name in wrong]
    texts = {name: str(values.get(name) or "") for name in LONGEST if name not in wrong}
    found += [
        finding(f"/{name}", f"At most {LONGEST[name]} characters, none of them a control character.")
        for name, text in texts.items()
        if len(text) > LONGEST[name] or not text.isprintable()
    ]
    if found:
        return found
    if problem := _of_address(texts["base_url"]):
        found.append(finding("/base_url", problem))
    if values.get("auth_kind") not in (None, *AUTH_KINDS):
        found.append(finding("/auth_kind", f"One of {', '.join(AUTH_KINDS)}."))
    for name, what in _NAMED.items():
        if problem := _of_reference(texts[name], what):
            found.append(finding(f"/{name}", problem))
    return found + _of_hosts(values.get("further_hosts"))


def normal(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values in the one spelling that is stored, so that equal destinations have one digest. The values have
    no findings."""
    made = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
    if made.get("further_hosts"):
        made["further_hosts"] = sorted({str(authorities.of_further_host(str(one))) for one in made["further_hosts"]})
    return made


def _of_address(text: str) -> str:
    try:
        authorities.of_address(text)
    except authorities.NoAuthority as error:
        return f"Give the whole address, such as https://erp.example.com/api: {error}."
    return ""


def _of_reference(reference: str, what: str) -> str:
    scheme, _, name = reference.partition(":")
    if reference and (scheme not in ("env", "file") or not name.strip()):
        return f"Name the {what} as env:NAME or file:/path; what it holds is never written here."
    return ""


def _of_hosts(given: Any) -> list[dict[str, Any]]:
    if given in (None, []):
        return []
    if not isinstance(given, list) or len(given) > MOST_FURTHER_HOSTS:
        return [finding("/further_hosts", f"A list of at most {MOST_FURTHER_HOSTS} hosts.")]
    found = []
    for number, one in enumerate(given):
        try:
            authorities.of_further_host(str(one))
        except authorities.NoAuthority as error:
            found.append(finding(f"/further_hosts/{number}", f"{str(one)[:100]!r} is no host: {error}."))
    return found
