"""Collects what is wrong in given values, each finding beside its field, so that a form or a file hears everything at
once."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model

from kernel.errors import Invalid, finding

M = TypeVar("M", bound=Model)


class Findings:
    """The findings so far. Its readers return a usable value, or note why there is none."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def add(self, pointer: str, message: str, **more: Any) -> None:
        self.items.append(finding(pointer, message, **more))

    def has(self, pointer: str) -> bool:
        """True when something was noted about this field."""
        return any(item["pointer"] == pointer for item in self.items)

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

    def url(self, value: Any, pointer: str, *, limit: int) -> str:
        """The address of a web page; noted when it is none."""
        url = self.text(value, pointer, limit=limit)
        if url and not url.startswith(("https://", "http://")):
            self.add(pointer, "An address that begins with https:// or http://.")
        return url
