"""Lists of APIs, and definitions without a contract that could be judged: apis.json, linksets, Azure API Center,
Postman, OpenRPC. What they say of each API, in one form.

http://apisjson.org/format/ · RFC 9264, RFC 9727 · https://learn.microsoft.com/azure/api-center/ ·
https://schema.postman.com/ · https://spec.open-rpc.org/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from catalog.domain import naming
from catalog.services.importing.values import mapping, plain, target_purpose

_MARKS: Final = re.compile(
    rb"[\"']?(?:apis|linkset|openrpc|_postman_id)[\"']?\s*:|getpostman\.com|Microsoft\.ApiCenter", re.I
)
_VERSION: Final = re.compile(r"v?\d+(?:[._-]\d+)*\Z|\d{4}-\d{2}-\d{2}\Z|versions?\Z", re.I)
_CONTRACTS: Final = ("openapi", "swagger", "asyncapi", "json schema", "jsonschema", "wsdl", "graphql")
_STYLES: Final = {"rest": "rest", "soap": "soap", "graphql": "graphql", "webhook": "event", "odata": "odata"}
_OF_LISTS: Final = {"item", "api-catalog", "linkset", "collection", "self", "profile", "describedby", "next", "prev"}
MOST: Final = 5000


@dataclass(slots=True)
class Listed:
    """One API that a file lists. `definition` is where its contract lies: a path beside the file, or an address."""

    ref: str
    slug: str
    name: str
    values: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    definition: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def may_be_one(data: bytes) -> bool:
    """Whether a file is worth being looked into."""
    return _MARKS.search(data[:20_000]) is not None


def listed_in(value: Any) -> list[Listed | None] | None:
    """What a file lists, None in the place of an entry that names nothing; None for a file that is no list of APIs."""
    if isinstance(value, list):
        return _center(value) if any(_is_center(one) for one in value) else None
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("linkset"), list):
        return list(_linkset(value["linkset"]))
    if isinstance(value.get("apis"), list) and ("specificationVersion" in value or "aid" in value or "name" in value):
        return [_of_apis_json(one) for one in value["apis"][:MOST]] + _beyond(value["apis"])
    if isinstance(value.get("value"), list) and any(_is_center(one) for one in value["value"]):
        return _center(value["value"])
    if _is_center(value):
        return _center([value])
    if "openrpc" in value:
        return [_openrpc(value)]
    info = mapping(value, "info")
    if "_postman_id" in info or "getpostman.com" in plain(info.get("schema"), 300):
        return [_postman(value, info)]
    return None


def includes(value: Any) -> list[str]:
    """The addresses of other lists that an apis.json names: those are not fetched."""
    said = value if isinstance(value, dict) else {}
    rows = [*_rows(said.get("includes")), *_rows(said.get("include"))]
    return [address for one in rows if (address := _web(one.get("url")))]


def _key(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _web(value: Any) -> str:
    address = plain(value, 500)
    return address if address.startswith(("https://", "http://")) else ""


def _rows(value: Any) -> list[dict[str, Any]]:
    return [one for one in value[:200] if isinstance(one, dict)] if isinstance(value, list) else []


def _values(**given: str) -> dict[str, Any]:
    return {key: text for key, text in given.items() if text}


def _sentence(text: Any) -> str:
    said = plain(text, 2000)
    return target_purpose(said + "\n") or said[:300]


def _of_apis_json(entry: Any) -> Listed | None:
    if not isinstance(entry, dict):
        return None
    name = plain(entry.get("name"), 200)
    slug = naming.slug_of(name, fallback="")
    if not slug:
        return None
    said = {_key(k): v for k, v in entry.items() if isinstance(k, str)}  # humanURL, humanUrl, human-url
    human, base, machine = (_web(said.get(key)) for key in ("humanurl", "baseurl", "machineurl"))
    properties = [*_rows(said.get("properties")), *_rows(said.get("urls"))]
    links = [
        {"title": plain(p.get("type"), 100).removeprefix("x-").removeprefix("X-"), "url": plain(p.get("url"), 500)}
        for p in properties
    ]
    links = [link for link in links if link["url"]]
    told = [link["url"] for link in links if link["title"].lower().startswith(_CONTRACTS)] or [machine]
    known = {link["title"].lower(): _web(link["url"]) for link in links}
    links += [{"title": title, "url": url} for title, url in (("humanURL", human), ("baseURL", base)) if url]
    return Listed(
        f"apis.json:{plain(entry.get('aid'), 400) or slug}".lower(),
        slug,
        name,
        _values(
            purpose=_sentence(entry.get("description")),
            documentation_url=human or known.get("documentation", ""),
            status_url=known.get("statuspage", "") or known.get("status", ""),
        ),
        label=plain(entry.get("version"), 100),
        definition=told[0],
        facts={"links": links, "tags": entry.get("tags", [])},
        notes=[] if told[0] else ["no definition"],
    )


def _linkset(contexts: list[Any]) -> Iterator[Listed | None]:
    """Each context that describes a service or names one by its anchor alone, and items that no context describes
    (RFC 9727, section 4). None for a context and an item that name nothing: without an address, or with one that is
    relative, for nobody knows here to what. Contexts that list others, and say nothing else, are no services."""
    described = set()
    items: list[str] = []
    for context in contexts[:MOST]:
        if not isinstance(context, dict):
            yield None
            continue
        anchor = _web(context.get("anchor"))
        listed = context.get("item")
        if isinstance(listed, list):
            items += [_web(one.get("href")) if isinstance(one, dict) else "" for one in listed[:MOST]]
            items += [""] if len(listed) > MOST else []
        says = {key for key in context if isinstance(key, str) and key != "anchor"}
        if not any(key.startswith("service-") or key == "status" for key in says):
            if says & _OF_LISTS:
                continue
            if says or not anchor:
                yield None
                continue
        if not anchor:
            yield None
            continue
        described.add(anchor)
        links = {key: _rows(context.get(key)) for key in ("service-desc", "service-doc", "service-meta", "status")}
        titles = [plain(one.get("title"), 200) for key in ("service-desc", "service-doc") for one in links[key]]
        first = {key: next((a for one in rows if (a := _web(one.get("href")))), "") for key, rows in links.items()}
        yield _anchored(
            anchor,
            next((t for t in titles if t), ""),
            _values(documentation_url=first["service-doc"], status_url=first["status"]),
            [{"title": key, "url": address} for key, address in first.items() if address],
            first["service-desc"],
        )
    for address in dict.fromkeys(items):
        if not address:
            yield None
        elif address not in described:
            yield _anchored(address, "", {}, [], "")
    yield from _beyond(contexts)


def _anchored(
    anchor: str, title: str, values: dict[str, Any], links: list[dict[str, Any]], definition: str
) -> Listed | None:
    """The API at an address. Versions at the end of its path are versions of one API."""
    try:
        parts = urlsplit(anchor)
    except ValueError:
        return None
    path = [unquote(p) for p in parts.path.split("/") if p]
    label = ""
    while path and _VERSION.match(path[-1]):
        label = label or path[-1]
        path.pop()
    name = title.removesuffix(f" {label}").strip() if label else title
    slug = naming.slug_of(path[-1] if path else name or parts.hostname or "", fallback="")
    if not slug:
        return None
    notes = [] if definition else ["no definition"]
    ref = f"linkset:{parts.netloc}/{'/'.join(path)}".lower()[:500]
    facts = {"links": [{"title": "address", "url": anchor}, *links]}
    return Listed(ref, slug, name or slug, values, label[:100], definition, facts, notes)


def _is_center(value: Any) -> bool:
    return isinstance(value, dict) and plain(value.get("type"), 200).lower() == (
        "microsoft.apicenter/services/workspaces/apis"
    )


def _beyond(entries: list[Any]) -> list[Listed | None]:
    """One entry that cannot be read in the place of those beyond the bound, so that somebody is told."""
    return [None] if len(entries) > MOST else []


def _center(entries: list[Any]) -> list[Listed | None]:
    return [_of_center(one) for one in entries[:MOST]] + _beyond(entries)


def _of_center(entry: Any) -> Listed | None:
    """An API as the service's REST API or its command line exports it: with its properties in a part of their own, or
    beside its name. Among others an entry may leave out its type."""
    if not isinstance(entry, dict) or not (_is_center(entry) or "type" not in entry):
        return None
    said = {**entry, **mapping(entry, "properties")}
    key = plain(entry.get("name"), 200)
    slug = naming.slug_of(key, fallback="")
    if not slug:
        return None
    links = [
        {"title": plain(one.get("title"), 200) or "documentation", "url": _web(one.get("url"))}
        for one in _rows(said.get("externalDocumentation"))
    ]
    facts = {
        "lifecycle": plain(said.get("lifecycleStage"), 60),
        "links": links,
        "contacts": said.get("contacts", []),
        "customProperties": said.get("customProperties", {}),
    }
    return Listed(
        f"api-center:{key}".lower(),
        slug,
        plain(said.get("title"), 200) or key,
        _values(
            purpose=_sentence(said.get("summary") or said.get("description")),
            style=_STYLES.get(plain(said.get("kind"), 40).lower(), ""),
            documentation_url=next((one["url"] for one in links if one["url"]), ""),
        ),
        facts={k: v for k, v in facts.items() if v},
        notes=["an export of API Center holds no definitions"],
    )


def _openrpc(value: dict[str, Any]) -> Listed | None:
    info = mapping(value, "info")
    name = plain(info.get("title"), 200)
    methods = [plain(m.get("name"), 200) for m in _rows(value.get("methods"))]
    return _registered("openrpc", name, name, info, methods, "OpenRPC")


def _postman(value: dict[str, Any], info: dict[str, Any]) -> Listed | None:
    name = plain(info.get("name"), 200)
    found: list[str] = []
    stack = [(one, 0) for one in reversed(_rows(value.get("item")))]
    while stack and len(found) < 100:
        one, depth = stack.pop()
        if depth < 20:
            stack += [(child, depth + 1) for child in reversed(_rows(one.get("item")))]
        request = mapping(one, "request")
        if request:
            found.append(f"{plain(request.get('method'), 20) or 'GET'} {plain(one.get('name'), 200)}".strip())
    return _registered(
        "postman", plain(info.get("_postman_id"), 200) or name, name, info, found, "A Postman collection"
    )


def _registered(
    kind: str, key: str, name: str, info: dict[str, Any], operations: list[str], what: str
) -> Listed | None:
    slug = naming.slug_of(name, fallback="")
    if not slug:
        return None
    described = info.get("description")
    if isinstance(described, dict):  # Postman may say it as {content, type}
        described = described.get("content")
    version = info.get("version")
    return Listed(
        f"{kind}:{key}".lower(),
        slug,
        name,
        _values(purpose=_sentence(described)),
        label=plain(version, 100),
        facts={"operations": operations},
        notes=[f"{what} is registered without a contract that is compared: give its OpenAPI for that"],
    )
