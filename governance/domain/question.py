"""The question to the gate, normalised: one shape, sorted, so that the same question has the same digest."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from kernel.digest import is_digest
from kernel.errors import Invalid, finding

MAX_ENTRIES = 500
CLOCKS = timedelta(seconds=5)
"""By so much two clocks may differ: a question as of a time that near is one about now, by the clock of the gate."""
KEYS = {"application", "version", "environment", "instance", "as_of", "consumes", "provides", "integrations"}
LISTS_IN_ADDRESS = ("consumes", "provides")


def from_address(said: Mapping[str, list[str]]) -> dict[str, Any]:
    """The question that stands in an address. Raises Invalid `gate.question` for what is said twice: one of two answers
    would be to a question that nobody asked."""
    single = {key: values for key, values in said.items() if key not in LISTS_IN_ADDRESS}
    _require_none([finding(f"/{key}", "said more than once") for key, values in single.items() if len(values) != 1])
    return {key: said[key] for key in said if key not in single} | {key: values[0] for key, values in single.items()}


def judged_at(body: Mapping[str, Any], now: datetime) -> tuple[datetime, bool]:
    """As of when the question is judged, and whether that makes it a what-if. Raises Invalid `gate.question`."""
    text = body.get("as_of")
    if text is None:
        return now, False
    at = _moment(text)
    if at is None:
        where = finding("/as_of", "a time with its zone, such as 2026-11-23T12:00:00Z; leave it out for now")
        raise Invalid("gate.question", "as_of is a time with its zone (ISO 8601).", {"findings": [where]})
    return (now, False) if abs(at - now) <= CLOCKS else (at, True)


def _moment(text: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return at.astimezone(UTC) if at.tzinfo is not None and 2000 <= at.year <= 2200 else None


def normalise(body: Any) -> dict[str, Any]:
    """The question with these keys: application, version, environment, instance, consumes, provides, integrations
    (not `as_of`).

    `consumes` and `provides` accept `"price-api@v3"` or `{"version": …, "contract_digest": …}`; `integrations` are
    `{"key": …, "digest": …}`. A missing `consumes` (or null) stays None, which is not the same as an empty
    list; nothing else may be null. Raises Invalid `gate.question` with findings.
    """
    found: list[dict[str, Any]] = []
    if not isinstance(body, Mapping):
        raise Invalid("gate.question", "The question is a JSON object.", {"findings": [finding("", "not an object")]})
    found += [finding(f"/{key}", "unknown key") for key in sorted(map(str, set(body) - KEYS))]
    made: dict[str, Any] = {}
    for key in ("application", "version", "environment"):
        made[key] = _word(body.get(key), f"/{key}", found, required=True)
    made["instance"] = _word(body.get("instance", ""), "/instance", found, required=False)
    made["consumes"] = None if body.get("consumes") is None else _versions(body["consumes"], "/consumes", found)
    made["provides"] = _versions(body.get("provides", []), "/provides", found)
    made["integrations"] = _integrations(body.get("integrations", []), found)
    _require_none(found)
    return made


def require_known_keys(body: Mapping[str, Any]) -> None:
    """For who reads a part of the question alone: a key that nobody knows is a misspelt one, and what was meant by it
    would be left out. Raises Invalid `gate.question` with findings."""
    _require_none([finding(f"/{key}", "unknown key") for key in sorted(map(str, set(body) - KEYS))])


def _require_none(found: list[dict[str, Any]]) -> None:
    if found:
        raise Invalid(
            "gate.question",
            f"The question cannot be read: {len(found)} finding{'' if len(found) == 1 else 's'}.",
            {"findings": found},
        )


def as_asked(normalised: Mapping[str, Any]) -> dict[str, Any]:
    """The stored question in the form in which it is asked: `normalise(as_asked(question)) == question`."""

    def versions(entries: Any) -> list[dict[str, str]]:
        return [
            {"version": one["ref"]} | ({"contract_digest": one["contract_digest"]} if one["contract_digest"] else {})
            for one in entries
        ]

    made = {key: normalised[key] for key in ("application", "version", "environment", "instance")}
    consumes = normalised["consumes"]
    return made | {
        "consumes": None if consumes is None else versions(consumes),
        "provides": versions(normalised["provides"]),
        "integrations": [{"key": one["ref"], "digest": one["digest"]} for one in normalised["integrations"]],
    }


def _word(value: Any, at: str, found: list[dict[str, Any]], *, required: bool) -> str:
    if not isinstance(value, str) or len(value) > 200 or (required and not value.strip()):
        found.append(finding(at, "a text of 1 to 200 characters" if required else "a text of at most 200 characters"))
        return ""
    return one_spelling(value.strip())


def one_spelling(name: str) -> str:
    """A name in Unicode's normal form C: what one system writes as a letter and a mark, another writes as one sign, and
    both are the same text."""
    return unicodedata.normalize("NFC", name)


def _entries(value: Any, at: str, found: list[dict[str, Any]]) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_ENTRIES:
        found.append(finding(at, f"a list of at most {MAX_ENTRIES} entries"))
        return []
    return value


def _unknown(entry: Any, known: set[str], at: str, found: list[dict[str, Any]]) -> bool:
    """Whether an entry has members that nobody reads: a misspelt digest would be none."""
    names = sorted(map(str, set(entry) - known)) if isinstance(entry, Mapping) else []
    found += [finding(f"{at}/{name}", "unknown key") for name in names]
    return bool(names)


def _versions(value: Any, at: str, found: list[dict[str, Any]]) -> list[dict[str, str]]:
    made: dict[str, dict[str, str]] = {}
    for index, entry in enumerate(_entries(value, at, found)):
        here = f"{at}/{index}"
        said = isinstance(entry, Mapping) and "contract_digest" in entry
        reference, digest = (
            (entry, "")
            if isinstance(entry, str)
            else (entry.get("version"), entry.get("contract_digest", ""))
            if isinstance(entry, Mapping)
            else (None, "")
        )
        if (
            not isinstance(reference, str)
            or reference.count("@") != 1
            or not all(reference.split("@"))
            or len(reference) > 200
        ):
            found.append(finding(here, "an API version is written <api>@<label>, such as price-api@v3"))
            continue
        if said and not (isinstance(digest, str) and is_digest(digest)):
            found.append(finding(f"{here}/contract_digest", "sha256: and 64 hex digits; leave the key out if unknown"))
            continue
        if _unknown(entry, {"version", "contract_digest"}, here, found):
            continue
        if reference in made:
            found.append(finding(here, f"{reference} is listed twice"))
            continue
        made[reference] = {"ref": reference, "contract_digest": digest}
    return [made[key] for key in sorted(made)]


def _integrations(value: Any, found: list[dict[str, Any]]) -> list[dict[str, str]]:
    made: dict[str, dict[str, str]] = {}
    for index, entry in enumerate(_entries(value, "/integrations", found)):
        here = f"/integrations/{index}"
        key, digest = (entry.get("key"), entry.get("digest")) if isinstance(entry, Mapping) else (None, None)
        if (
            not isinstance(key, str)
            or not key.strip()
            or len(key) > 200
            or not isinstance(digest, str)
            or not is_digest(digest)
        ):
            found.append(finding(here, 'an integration is {"key": …, "digest": "sha256:…"}'))
        elif _unknown(entry, {"key", "digest"}, here, found):
            continue
        elif key in made:
            found.append(finding(here, f"{key} is listed twice"))
        else:
            made[key] = {"ref": key, "digest": digest}
    return [made[key] for key in sorted(made)]
