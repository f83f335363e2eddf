"""Keys given by people and files, turned into rows; what is unknown becomes a finding beside its field."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model

from catalog.models import Api, AttributeGroup, BusinessEntity, Domain, SlaTier, System, Team
from kernel.errors import Invalid, NotFound, finding

M = TypeVar("M", bound=Model)


class Findings:
    """Collects what is wrong, so that a form or a file hears everything at once."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def add(self, pointer: str, message: str, **more: Any) -> None:
        self.items.append(finding(pointer, message, **more))

    def require_none(self, code: str, message: str) -> None:
        """Raises Invalid with everything that was collected."""
        if self.items:
            raise Invalid(code, message, {"findings": self.items})

    def one(self, model: type[M], key: Any, pointer: str, *, noun: str, field: str = "key") -> M | None:
        """The row with this key; None for an empty key, and for an unknown one, which is noted."""
        if key is None or key == "":
            return None
        plain = isinstance(key, str) and "\x00" not in key and len(key) <= 200
        if plain or (isinstance(key, int) and not isinstance(key, bool) and 0 <= key < 2**15):
            found = model._default_manager.filter(**{field: key}).first()
            if found is not None:
                return found
        self.add(pointer, f"There is no {noun} {str(key)[:80]!r}.", code=f"{noun.replace(' ', '_')}.unknown")
        return None

    def choice(self, value: Any, choices: Any, pointer: str, *, noun: str) -> str:
        """The value when it is among the choices; "" when empty; noted otherwise."""
        if value in (None, ""):
            return ""
        known = [c[0] if isinstance(c, tuple) else c for c in choices]
        if value not in known:
            self.add(pointer, f"{str(value)[:80]!r} is no {noun}. One of {', '.join(known)}.", code="value.unknown")
            return ""
        return str(value)

    def text(self, value: Any, pointer: str, *, limit: int, required: str = "") -> str:
        """Stripped text; noted when it is missing, too long or cannot be stored."""
        if value is None:
            value = ""
        if not isinstance(value, str | int | float):
            self.add(pointer, "A text is needed here.")
            return ""
        text = str(value).strip()
        if "\x00" in text:
            self.add(pointer, "This text holds a NUL character, which cannot be stored.")
            return ""
        if not text and required:
            self.add(pointer, required, code="value.missing")
        if len(text) > limit:
            self.add(pointer, f"At most {limit} characters; these are {len(text)}.", code="value.too_long")
        return text[:limit]


def api(slug: str) -> Api:
    """Raises NotFound `api.unknown`."""
    found = (
        Api.objects.select_related("owner_team", "domain", "tier", "system").filter(slug=slug).first()
        if "\x00" not in slug
        else None
    )
    if found is None:
        raise NotFound("api.unknown", f"There is no API {slug[:100]!r}.")
    return found


def api_locked(slug: str) -> Api:
    """The same, with its row locked until the transaction ends."""
    found = Api.objects.select_for_update(of=("self",)).filter(slug=slug).first() if "\x00" not in slug else None
    if found is None:
        raise NotFound("api.unknown", f"There is no API {slug[:100]!r}.")
    return found


def api_fields(values: dict[str, Any], found: Findings, *, base: str = "") -> dict[str, Any]:
    """Model values for the keys that are given: name, purpose, domain, owner_team, layer, style, tier, data_class, visibility,
    system, aliases, if_it_fails, documentation_url, status_url."""
    made: dict[str, Any] = {}
    if "name" in values:
        made["name"] = found.text(values["name"], f"{base}/name", limit=200, required="Give it a name.")
    for key, limit in (("purpose", 4000), ("if_it_fails", 4000)):
        if key in values:
            made[key] = found.text(values[key], f"{base}/{key}", limit=limit)
    for key in ("documentation_url", "status_url"):
        if key in values:
            url = found.text(values[key], f"{base}/{key}", limit=500)
            if url and not url.startswith(("https://", "http://")):
                found.add(f"{base}/{key}", "An address that begins with https:// or http://.")
            made[key] = url
    references: tuple[tuple[str, type[Model], str], ...] = (
        ("domain", Domain, "domain"),
        ("owner_team", Team, "team"),
        ("system", System, "system"),
    )
    for key, model, noun in references:
        if key in values:
            made[key] = found.one(model, values[key], f"{base}/{key}", noun=noun)
    if "tier" in values:
        tier = values["tier"]
        tier = int(tier) if isinstance(tier, str) and tier.isascii() and tier.isdigit() and len(tier) < 3 else tier
        made["tier"] = (
            found.one(SlaTier, tier, f"{base}/tier", noun="SLA tier", field="level")
            if not isinstance(tier, str) or not tier
            else None
        )
        if isinstance(tier, str) and tier:
            found.add(f"{base}/tier", f"{tier[:40]!r} is no SLA tier. One of 0, 1, 2, 3.", code="SLA_tier.unknown")
    for key, choices, noun in (
        ("layer", Api.Layer.choices, "layer"),
        ("style", Api.Style.choices, "style"),
        ("data_class", Api.DataClass.choices, "data class"),
        ("visibility", Api.Visibility.choices, "visibility"),
    ):
        if key in values:
            made[key] = found.choice(values[key], choices, f"{base}/{key}", noun=noun)
    if "visibility" in made and not made["visibility"]:
        made["visibility"] = Api.Visibility.INTERNAL
    if "aliases" in values:
        aliases = values["aliases"] if isinstance(values["aliases"], list | tuple) else []
        made["aliases"] = [found.text(a, f"{base}/aliases/{n}", limit=100) for n, a in enumerate(aliases[:50])]
    return made


def entity_uses(values: Any, found: Findings, *, base: str = "/entities") -> list[dict[str, Any]]:
    """Rows for `ApiEntity` from `[{entity, attribute_group?, access}]`."""
    from catalog.models import ApiEntity

    made: list[dict[str, Any]] = []
    if not isinstance(values, list | tuple):
        found.add(base, "A list of {entity, attribute_group, access}.")
        return made
    for n, use in enumerate(values[:100]):
        at = f"{base}/{n}"
        if not isinstance(use, dict):
            found.add(at, "An object {entity, attribute_group, access}.")
            continue
        entity = found.one(BusinessEntity, use.get("entity"), f"{at}/entity", noun="entity")
        access = found.choice(use.get("access"), ApiEntity.Access.choices, f"{at}/access", noun="access")
        if entity is None or not access:
            if use.get("entity") in (None, ""):
                found.add(f"{at}/entity", "Name the entity.")
            if use.get("access") in (None, ""):
                found.add(f"{at}/access", f"Say how: {', '.join(ApiEntity.Access.values)}.")
            continue
        group = None
        if use.get("attribute_group") not in (None, ""):
            group = AttributeGroup.objects.filter(
                entity=entity, key=str(use["attribute_group"])[:60].replace("\x00", "")
            ).first()
            if group is None:
                found.add(
                    f"{at}/attribute_group",
                    f"{entity.key} has no attribute group {str(use['attribute_group'])[:60]!r}.",
                )
                continue
        row = {"entity": entity, "attribute_group": group, "access": access}
        if row not in made:
            made.append(row)
    return made
