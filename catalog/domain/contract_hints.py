"""What a contract suggests: entities touched and how, data class, style. Suggestions only; a person confirms them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from catalog.domain.facts import Access
from catalog.domain.naming import words

DataClass = Literal["", "public", "internal", "personal", "cardholder"]

_CARD: Final = frozenset(
    {
        *("pan", "cvv", "cvc", "cvv2", "cardnumber", "cardholder", "cardholdername"),
        *("expirymonth", "expiryyear", "track2", "magstripe"),
    }
)
_PERSON: Final = frozenset(
    {
        *("email", "emailaddress", "phone", "phonenumber", "telephone", "mobile"),
        *("firstname", "lastname", "givenname", "familyname", "surname", "fullname", "customername"),
        *("birthdate", "dateofbirth", "birthday", "gender", "streetaddress", "homeaddress", "ipaddress"),
        *("ssn", "nationalid", "passport", "iban", "bankaccount"),
    }
)
_WRITING: Final = {"POST", "PUT", "PATCH", "DELETE", "MUTATION"}
_EVENTS: Final = {"SEND", "RECEIVE", "PUBLISH", "SUBSCRIBE"}


@dataclass(frozen=True, slots=True)
class EntityHint:
    """A business entity that a contract seems to touch. `weight` is the number of operations that mention it."""

    entity: str
    access: Access
    weight: int


def sensitive_fields(fields: Iterable[str]) -> tuple[DataClass, list[str]]:
    """The strictest class that field names suggest, and the fields that suggest it."""
    card, person = [], []
    for name in fields:
        flat = "".join(words(name))
        if flat in _CARD:
            card.append(name)
        elif flat in _PERSON:
            person.append(name)
    if card:
        return "cardholder", card + person
    return ("personal", person) if person else ("", [])


def entity_hints(
    operations: Sequence[tuple[str, str]], known: Mapping[str, Iterable[str]], *, limit: int = 4
) -> list[EntityHint]:
    """Entities that the operations mention, most mentioned first. `operations` are (method, words of path, id and
    summary); `known` maps an entity's key to its names. A name of two words counts only where both occur."""
    weights: Counter[str] = Counter()
    methods: dict[str, set[str]] = {}
    terms = {key: [t for name in names if (t := tuple(_stem(w) for w in words(name)))] for key, names in known.items()}
    for method, text in operations:
        spoken = {_stem(w) for w in words(text)}
        for key, names in terms.items():
            if any(all(part in spoken for part in name) for name in names):
                weights[key] += 1
                methods.setdefault(key, set()).add(method.upper())
    return [EntityHint(key, _access(methods[key]), weight) for key, weight in weights.most_common(limit)]


def _stem(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def _access(methods: set[str]) -> Access:
    if methods & _EVENTS:
        return "event"
    return "command" if methods & _WRITING else "authoritative_read"


def style_of(contract_format: str) -> str:
    """The style that a contract format implies, "" where it implies none."""
    if contract_format.startswith("edmx"):
        return "odata"
    if contract_format.startswith("asyncapi"):
        return "event"
    if contract_format.startswith("graphql"):
        return "graphql"
    if contract_format.startswith("wsdl"):
        return "soap"
    if contract_format.startswith(("openapi", "swagger")):
        return "rest"
    return ""
