"""The attributes of people and groups that are kept (RFC 7643 §4, §7), and how a value that came is read.

Attributes of the standard that are not kept here (`title`, `phoneNumbers`, the enterprise extension, a password) are
taken without a word and dropped: a provider sends what it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from governance.domain.scim.errors import ScimError, invalid_value
from kernel.user_names import prepared

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MOST_TEXT = 254
MOST_VALUES = 50


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute as RFC 7643 §7 describes it."""

    name: str
    about: str
    type: str = "string"
    multi: bool = False
    required: bool = False
    mutability: str = "readWrite"
    uniqueness: str = "none"
    case_exact: bool = False
    longest: int = MOST_TEXT
    most: int = MOST_VALUES
    stays: bool = False
    prepared: bool = False
    sub: tuple[Attribute, ...] = ()
    canonical: tuple[str, ...] = ()
    refers_to: tuple[str, ...] = ()

    def part(self, name: str) -> Attribute | None:
        """The sub-attribute of this name, without regard to upper and lower case."""
        return next((one for one in self.sub if one.name.lower() == name.lower()), None)

    @property
    def read_only(self) -> bool:
        return self.mutability == "readOnly"

    def told(self) -> dict[str, Any]:
        """As the schema endpoint shows it."""
        said: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "multiValued": self.multi,
            "description": self.about,
            "required": self.required,
            "mutability": self.mutability,
            "returned": "default",
            "uniqueness": self.uniqueness,
        }
        if self.type in ("string", "reference"):
            said["caseExact"] = self.case_exact
        if self.canonical:
            said["canonicalValues"] = list(self.canonical)
        if self.refers_to:
            said["referenceTypes"] = list(self.refers_to)
        if self.sub:
            said["subAttributes"] = [one.told() for one in self.sub]
        return said


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A kind of resource: its schema, where it is, what of the standard's attributes is kept and what is dropped."""

    name: str
    urn: str
    endpoint: str
    about: str
    attributes: tuple[Attribute, ...]
    dropped: frozenset[str] = frozenset()

    def attribute(self, name: str) -> Attribute | None:
        wanted = name.lower()
        return next((one for one in (*self.attributes, *COMMON) if one.name.lower() == wanted), None)

    def is_dropped(self, name: str) -> bool:
        """Whether the attribute is one of the standard, or of an extension, that is not kept."""
        return name.lower() in self.dropped or name.lower().startswith("urn:")


COMMON = (
    Attribute("schemas", "The schemas of the resource.", multi=True, mutability="readOnly", case_exact=True),
    Attribute("id", "Given here, never again to another resource.", mutability="readOnly", case_exact=True),
    Attribute("externalId", "The provider's own name of it.", case_exact=True, longest=200),
    Attribute(
        "meta",
        "When it was made and changed here.",
        type="complex",
        mutability="readOnly",
        sub=(
            Attribute("resourceType", "User or Group.", mutability="readOnly", case_exact=True),
            Attribute("created", "When it was made.", type="dateTime", mutability="readOnly"),
            Attribute("lastModified", "When it was changed last.", type="dateTime", mutability="readOnly"),
            Attribute("location", "Its address.", type="reference", mutability="readOnly", case_exact=True),
            Attribute("version", "Its entity tag.", mutability="readOnly", case_exact=True),
        ),
    ),
)
PEOPLE = ResourceType(
    "User",
    USER,
    "/Users",
    "A person. The account here is closed while `active` is false.",
    (
        Attribute(
            "userName", "Unique, whatever its case.", required=True, uniqueness="server", longest=150, prepared=True
        ),
        Attribute(
            "name",
            "The person's name.",
            type="complex",
            sub=(
                Attribute("formatted", "The whole name.", longest=300),
                Attribute("familyName", "The family name.", longest=150),
                Attribute("givenName", "The given name.", longest=150),
            ),
        ),
        Attribute("displayName", "How others see the name.", longest=300),
        Attribute(
            "active",
            "False closes the account: sessions and tokens end, no approval counts.",
            type="boolean",
            stays=True,
        ),
        Attribute(
            "emails",
            "Addresses of mail; the primary one, or the first, is where notices go.",
            type="complex",
            multi=True,
            sub=(
                Attribute("value", "The address."),
                Attribute("type", "work or home.", canonical=("work", "home", "other"), longest=60),
                Attribute("primary", "At most one is.", type="boolean"),
            ),
        ),
        Attribute(
            "groups",
            "The provider's groups that the person is in.",
            type="complex",
            multi=True,
            mutability="readOnly",
            sub=(
                Attribute("value", "The id of the group.", mutability="readOnly", case_exact=True),
                Attribute(
                    "$ref",
                    "Its address.",
                    type="reference",
                    mutability="readOnly",
                    refers_to=("Group",),
                    case_exact=True,
                ),
                Attribute("display", "Its name.", mutability="readOnly"),
                Attribute("type", "Always direct.", mutability="readOnly", canonical=("direct",)),
            ),
        ),
    ),
    frozenset(
        (
            *("nickname", "profileurl", "title", "usertype", "preferredlanguage", "locale", "timezone", "password"),
            *("phonenumbers", "ims", "photos", "addresses", "entitlements", "roles", "x509certificates"),
        )
    ),
)
GROUPS = ResourceType(
    "Group",
    GROUP,
    "/Groups",
    "A group of the provider. It makes nobody a member of a team, unless a declared mapping says so.",
    (
        Attribute("displayName", "Unique, whatever its case.", required=True, uniqueness="server", longest=200),
        Attribute(
            "members",
            "The people in it.",
            type="complex",
            multi=True,
            most=100_000,
            sub=(
                Attribute("value", "The id of the person.", mutability="immutable", case_exact=True, longest=64),
                Attribute(
                    "$ref",
                    "The address of the person.",
                    type="reference",
                    mutability="immutable",
                    refers_to=("User",),
                    case_exact=True,
                    longest=2000,
                ),
                Attribute("type", "Always User.", mutability="immutable", canonical=("User",)),
            ),
        ),
    ),
)
_DROPPED_PARTS = {"middlename", "honorificprefix", "honorificsuffix", "display"}


def uuid_of(text: Any) -> UUID | None:
    """An id of a resource; None for what is none."""
    try:
        return UUID(str(text))
    except ValueError:
        return None


def bare(name: str) -> str:
    """The path of an attribute without the schema's URN before it; one of another schema is left as it is."""
    for urn in (USER, GROUP):
        if name.lower().startswith(urn.lower() + ":"):
            return name[len(urn) + 1 :]
    return name


def require_once(names: Iterable[Any]) -> None:
    """Raises ScimError `invalidSyntax` where two of them are one: names of attributes have no case (RFC 7643 §2.1), and
    readers disagree on which one counts."""
    seen: dict[str, str] = {}
    for name in map(str, names):
        if (first := seen.setdefault(bare(name).lower(), name)) is not name:
            raise ScimError(400, f"{name[:100]!r} stands twice, first as {first[:100]!r}. Keep one.", "invalidSyntax")


def unwrapped(kind: ResourceType, said: dict[str, Any]) -> list[tuple[str, Any]]:
    """Names and values of attributes; those that stand in an object below the kind's own URN are the resource's, as
    those of an extension stand below its URN (RFC 7643 §3.3). Raises ScimError `invalidValue` for no such object, and
    `invalidSyntax` for a name that stands twice."""
    made: list[tuple[str, Any]] = []
    require_once(said)
    for name, value in said.items():
        if str(name).lower() != kind.urn.lower():
            made.append((str(name), value))
        elif not isinstance(value, dict) or any(str(inner).lower() == kind.urn.lower() for inner in value):
            raise invalid_value(f"{kind.urn}: an object of attributes.")
        else:
            made += [(str(inner), one) for inner, one in value.items()]
    require_once(name for name, _ in made)
    return made


def read(kind: ResourceType, body: Any) -> dict[str, Any]:
    """What of a resource that came is kept, by the names of the schema. Raises ScimError for what is no resource of
    this kind, or a value of another type. Attributes that are written here alone (`id`, `meta`, `groups`) are
    dropped."""
    if not isinstance(body, dict):
        raise ScimError(400, "Send one JSON object.", "invalidSyntax")
    require_once(body)
    schemas = next((value for name, value in body.items() if name.lower() == "schemas"), None)
    if schemas is not None:
        named = schemas if isinstance(schemas, list) else [schemas]
        if kind.urn.lower() not in [str(one).lower() for one in named]:
            raise ScimError(400, f"`schemas` does not name {kind.urn}.", "invalidSyntax")
    made: dict[str, Any] = {}
    for name, value in unwrapped(kind, body):
        attribute = kind.attribute(bare(name))
        if attribute is not None and not attribute.read_only and value is not None:
            made[attribute.name] = value_of(attribute, value)
    return {name: value for name, value in made.items() if value not in (None, [], {})}


def value_of(attribute: Attribute, value: Any, where: str = "") -> Any:
    """A value as the attribute wants it; a boolean may come as a text (`"True"`). Raises ScimError `invalidValue`."""
    name = where or attribute.name
    if attribute.multi:
        several = value if isinstance(value, list) else [value]
        if len(several) > attribute.most:
            raise invalid_value(f"{name}: at most {attribute.most:,} values, not {len(several):,}.")
        return only_one_primary(name, [single(attribute, one, name) for one in several if one is not None])
    return single(attribute, value, name)


def single(attribute: Attribute, value: Any, where: str) -> Any:
    """One value. A text stands for the `value` of a complex one."""
    if attribute.type == "complex":
        if isinstance(value, str) and attribute.part("value"):
            value = {"value": value}
        if not isinstance(value, dict):
            raise invalid_value(f"{where}: an object with {', '.join(one.name for one in attribute.sub)}.")
        return dict(_parts(attribute, value, where))
    if attribute.type == "boolean":
        said = value.strip().lower() if isinstance(value, str) else value
        if said in (True, "true"):
            return True
        if said in (False, "false"):
            return False
        raise invalid_value(f"{where}: true or false, not {str(value)[:40]!r}.")
    if not isinstance(value, str):
        raise invalid_value(f"{where}: a text, not {str(value)[:40]!r}.")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise invalid_value(f"{where}: a text of one line.")
    text = prepared(value) if attribute.prepared else value.strip()
    if len(text) > attribute.longest:
        raise invalid_value(f"{where}: at most {attribute.longest} characters, not {len(text)}.")
    return text


def _parts(attribute: Attribute, value: dict[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    require_once(value)
    for name, one in value.items():
        part = attribute.part(str(name))
        if part is None and str(name).lower() not in _DROPPED_PARTS:
            raise invalid_value(f"{where}: there is no {str(name)[:60]!r} in it.")
        if part is not None and one is not None:
            yield part.name, single(part, one, f"{where}.{part.name}")


def only_one_primary(where: str, values: list[Any]) -> list[Any]:
    """Raises ScimError where two values say that they are the primary one (RFC 7643 §2.4)."""
    if sum(1 for one in values if isinstance(one, dict) and one.get("primary") is True) > 1:
        raise invalid_value(f"{where}: only one value is the primary one.")
    return values


def required(kind: ResourceType, made: dict[str, Any]) -> None:
    """Raises ScimError `invalidValue` where something is missing that every resource of the kind has."""
    for attribute in kind.attributes:
        if attribute.required and not made.get(attribute.name):
            raise invalid_value(f"{attribute.name} is required.")
