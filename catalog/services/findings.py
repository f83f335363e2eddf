"""Collects the errors in given values, each with the pointer of its field, so that a form or a file reports all of them
at once."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model

from kernel.errors import Invalid, finding

M = TypeVar("M", bound=Model)


class Findings:
    """The findings so far. Methods that read a value return it when it is valid, and add a finding when it is not."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def add(self, pointer: str, message: str, **more: Any) -> None:
        self.items.append(finding(pointer, message, **more))

    def has(self, pointer: str) -> bool:
        """True when a finding names this field."""
        return any(item["pointer"] == pointer for item in self.items)

    def require_none(self, code: str, message: str) -> None:
        """Raises Invalid with everything that was collected."""
        if self.items:
            raise Invalid(code, message, {"findings": self.items})

    def row_by_key(self, model: type[M], key: Any, pointer: str, *, noun: str, field: str = "key") -> M | None:
        """The row with this key. None for an empty key; None and a finding for an unknown key."""
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
        """The value when it is one of the choices; "" when it is empty; "" and a finding otherwise."""
        if value in (None, ""):
            return ""
        known = [c[0] if isinstance(c, tuple) else c for c in choices]
        if value not in known:
            self.add(
                pointer,
                f"{str(value)[:80]!r} is not a valid {noun}. Choose one of: {', '.join(known)}.",
                code="value.unknown",
            )
            return ""
        return str(value)

    def text(self, value: Any, pointer: str, *, limit: int, required: str = "") -> str:
        """The stripped text; a finding when it is missing, too long or cannot be stored."""
        if value is None:
            value = ""
        if not isinstance(value, str | int | float):
            self.add(pointer, "Enter a text.")
            return ""
        text = str(value).strip()
        if "\x00" in text:
            self.add(pointer, "The text contains a NUL character, which cannot be stored.")
            return ""
        if not text and required:
            self.add(pointer, required, code="value.missing")
        if len(text) > limit:
            self.add(pointer, f"Enter at most {limit} characters. This text has {len(text)}.", code="value.too_long")
        return text[:limit]

    def url(self, value: Any, pointer: str, *, limit: int) -> str:
        """The address of a web page; a finding when it does not begin with http:// or https://."""
        url = self.text(value, pointer, limit=limit)
        if url and not url.startswith(("https://", "http://")):
            self.add(pointer, "Enter an address that begins with https:// or http://.")
        return url
