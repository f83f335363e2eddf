"""The question to the gate, normalised: one shape, sorted, so that the same question has the same digest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernel.digest import is_digest
from kernel.errors import Invalid, finding

MAX_ENTRIES = 500
KEYS = {"application", "version", "environment", "instance", "as_of", "consumes", "provides", "integrations"}


def normalise(body: Any) -> dict[str, Any]:
    """The question with these keys: application, version, environment, instance, consumes, provides, integrations
    (not `as_of`).

    `consumes` and `provides` accept `"price-api@v3"` or `{"version": …, "contract_digest": …}`; `integrations` are
    `{"key": …, "digest": …}`. A missing `consumes` stays None, which is not the same as an empty list. Raises Invalid
    `gate.question` with findings.
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
    made["provides"] = _versions(body.get("provides") or [], "/provides", found)
    made["integrations"] = _integrations(body.get("integrations") or [], found)
    if found:
        raise Invalid(
            "gate.question",
            f"The question cannot be read: {len(found)} finding{'' if len(found) == 1 else 's'}.",
            {"findings": found},
        )
    return made


def _word(value: Any, at: str, found: list[dict[str, Any]], *, required: bool) -> str:
    if not isinstance(value, str) or len(value) > 200 or (required and not value.strip()):
        found.append(finding(at, "a text of 1 to 200 characters" if required else "a text of at most 200 characters"))
        return ""
    return value.strip()


def _entries(value: Any, at: str, found: list[dict[str, Any]]) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_ENTRIES:
        found.append(finding(at, f"a list of at most {MAX_ENTRIES} entries"))
        return []
    return value


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
        elif key in made:
            found.append(finding(here, f"{key} is listed twice"))
        else:
            made[key] = {"ref": key, "digest": digest}
    return [made[key] for key in sorted(made)]
