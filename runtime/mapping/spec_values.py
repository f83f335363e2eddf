"""Types and fixed values of a mapping's spec: what a field becomes, and the parts that every reader of a spec needs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from runtime.mapping.conversions import FORMATS, TYPES, ValueType, converter
from runtime.mapping.errors import MappingFinding, Reject, excerpt_of, nearest
from runtime.mapping.functions import MAX_SCALE
from runtime.mapping.paths import MappingPathError, Path, parse_path

_SETTINGS: dict[str, set[str]] = {
    "string": {"max_length", "trim"},
    "integer": set(),
    "decimal": {"scale", "rounding", "write"},
    "money": {"scale", "rounding", "write", "currency"},
    "boolean": {"true_values", "false_values"},
    "date": {"format", "write"},
    "datetime": {"format", "write", "zone", "repeated", "skipped"},
    "any": set(),
}


def escape(name: str) -> str:
    """One step of a JSON Pointer (RFC 6901 §3)."""
    return name.replace("~", "~0").replace("/", "~1")


class ValueReader:
    """Collects what is wrong with a spec, and reads the types, constants and defaults of its fields."""

    def __init__(self) -> None:
        self.findings: list[MappingFinding] = []

    def add(self, code: str, pointer: str, message: str) -> None:
        self.findings.append(MappingFinding(f"mapping.{code}", pointer, message))

    def keys(self, spec: dict[Any, Any], known: set[str], pointer: str) -> None:
        for key in spec:
            if key not in known:
                self.add(
                    "unknown_key",
                    f"{pointer}/{escape(str(key))}",
                    f"{str(key)!r} is not a key here.{nearest(str(key), known)}",
                )

    def text(self, spec: dict[str, Any], key: str, pointer: str, *, limit: int = 2_000) -> str:
        value = spec.get(key, "")
        if not isinstance(value, str) or len(value) > limit:
            self.add(
                "wrong_type",
                f"{pointer}/{key}",
                f"'{key}' is text of at most {limit} characters, not {excerpt_of(value)}",
            )
            return ""
        return value

    def flag(self, spec: dict[str, Any], key: str, pointer: str) -> bool:
        value = spec.get(key, False)
        if not isinstance(value, bool):
            self.add("wrong_type", f"{pointer}/{key}", f"'{key}' is true or false, not {excerpt_of(value)}")
            return False
        return value

    def choice(self, spec: dict[str, Any], key: str, pointer: str, allowed: tuple[str, ...], default: str) -> str:
        value = spec.get(key, default)
        if value not in allowed or not isinstance(value, str):
            self.add(
                "wrong_value", f"{pointer}/{key}", f"'{key}' is one of {', '.join(allowed)}, not {excerpt_of(value)}"
            )
            return default
        return value

    def literal(self, value: Any, pointer: str, depth: int = 0) -> bool:
        """Plain JSON without floats."""
        if isinstance(value, float):
            self.add("float", pointer, f"{value!r} is a binary float; write it in quotes: '{value!r}'")
        elif value is None or isinstance(value, str | int | bool | Decimal):
            return True
        elif depth > 10:
            self.add("too_deep", pointer, "the value is nested deeper than 10")
        elif isinstance(value, dict) and all(isinstance(k, str) for k in value):
            fits = [self.literal(v, f"{pointer}/{escape(k)}", depth + 1) for k, v in value.items()]
            return all(fits)
        elif isinstance(value, list):
            fits = [self.literal(v, f"{pointer}/{n}", depth + 1) for n, v in enumerate(value)]
            return all(fits)
        else:
            self.add("wrong_type", pointer, f"{type(value).__name__} is not JSON; write it as text")
        return False

    def path(self, value: Any, pointer: str) -> Path | None:
        if not isinstance(value, str):
            self.add("path", pointer, f"a source path is text, not {excerpt_of(value)}")
            return None
        try:
            return parse_path(value)
        except MappingPathError as error:
            self.add("path", pointer, str(error))
            return None

    def default(self, spec: dict[str, Any], pointer: str, kind: ValueType | None) -> Any:
        if "default" not in spec:
            return None
        value = spec["default"]
        if value is None:
            self.add(
                "wrong_value",
                f"{pointer}/default",
                "a default is a value; 'write_null: true' writes null for a missing value",
            )
            return None
        self.literal(value, f"{pointer}/default")
        return self.fit(value, kind, f"{pointer}/default")

    def fit(self, value: Any, kind: ValueType | None, pointer: str) -> Any:
        """A constant or default passes the same conversion as data, once, here."""
        if kind is None:
            return value
        if kind.name == "money" and isinstance(kind.currency, Path):
            self.add(
                "wrong_value",
                pointer,
                "money with a currency from the document cannot have a fixed amount; name the currency",
            )
            return None
        try:
            return converter(kind)(value, kind.currency) if kind.name == "money" else converter(kind)(value)
        except Reject as error:
            self.add("wrong_value", pointer, f"the value {excerpt_of(value)} {error}")
            return None

    def type(self, spec: dict[str, Any], pointer: str, known: set[str]) -> ValueType | None:
        name = spec.get("type")
        if name not in TYPES or not isinstance(name, str):
            said = (
                f"{name!r} is not a type.{nearest(str(name), TYPES)}" if name is not None else "a field needs a 'type'."
            )
            self.add("type", f"{pointer}/type", f"{said} Types are {', '.join(TYPES)}")
            return None
        self.keys(spec, known | _SETTINGS[name], pointer)
        return getattr(self, f"type_{name}", lambda s, p: ValueType(name))(spec, pointer)  # type: ignore[no-any-return]

    def whole(self, spec: dict[str, Any], key: str, pointer: str, high: int) -> int | None:
        value = spec.get(key)
        if value is None and key not in spec:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
            self.add(
                "wrong_value",
                f"{pointer}/{key}",
                f"'{key}' is a whole number from 0 to {high}, not {excerpt_of(value)}",
            )
            return None
        return value

    def type_string(self, spec: dict[str, Any], pointer: str) -> ValueType:
        return ValueType(
            "string",
            max_length=self.whole(spec, "max_length", pointer, 1_000_000),
            trim=self.flag(spec, "trim", pointer),
        )

    def type_decimal(self, spec: dict[str, Any], pointer: str) -> ValueType:
        rounding = self.choice(spec, "rounding", pointer, ("exact", "half_up", "half_even"), "exact")
        scale = self.whole(spec, "scale", pointer, MAX_SCALE)
        if rounding != "exact" and "scale" not in spec:
            self.add("missing_key", f"{pointer}/scale", "'rounding' needs 'scale': the digits after the point")
        return ValueType("decimal", scale, rounding, self.choice(spec, "write", pointer, ("number", "text"), "number"))

    def type_money(self, spec: dict[str, Any], pointer: str) -> ValueType:
        value = spec.get("currency")
        currency: str | Path | None = None
        if isinstance(value, dict) and set(value) == {"from"}:
            currency = self.path(value["from"], f"{pointer}/currency/from")
        elif isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha() and value.isupper():
            currency = value
        else:
            said = f", not {excerpt_of(value)}" if value is not None else ""
            self.add(
                "currency",
                f"{pointer}/currency",
                f"money needs 'currency': three capital letters (ISO 4217) or {{from: path}}{said}",
            )
        rounding = self.choice(spec, "rounding", pointer, ("exact", "half_up", "half_even"), "exact")
        write = self.choice(spec, "write", pointer, ("object", "number", "text", "minor"), "object")
        return ValueType("money", self.whole(spec, "scale", pointer, MAX_SCALE), rounding, write, currency=currency)

    def type_boolean(self, spec: dict[str, Any], pointer: str) -> ValueType:
        words: dict[str, tuple[str, ...]] = {}
        for key in ("true_values", "false_values"):
            value = spec.get(key, [])
            if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
                self.add("wrong_type", f"{pointer}/{key}", f"'{key}' is a list of texts that mean {key[:-7]}")
                value = []
            words[key] = tuple(value)
        for word in set(words["true_values"]) & set(words["false_values"]):
            self.add("wrong_value", f"{pointer}/false_values", f"{word!r} cannot mean both true and false")
        return ValueType("boolean", true=words["true_values"], false=words["false_values"])

    def type_date(self, spec: dict[str, Any], pointer: str) -> ValueType:
        source, write = (
            self.choice(spec, "format", pointer, FORMATS, "iso"),
            self.choice(spec, "write", pointer, FORMATS, "iso"),
        )
        return ValueType("date", format=source, write=write)

    def type_datetime(self, spec: dict[str, Any], pointer: str) -> ValueType:
        zone = self.text(spec, "zone", pointer, limit=60) or "required"
        if zone != "required":
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                self.add("zone", f"{pointer}/zone", f"{zone!r} is not an IANA time zone such as Europe/Berlin or UTC")
                zone = "required"
        return ValueType(
            "datetime",
            format=self.choice(spec, "format", pointer, FORMATS, "iso"),
            write=self.choice(spec, "write", pointer, FORMATS, "iso"),
            zone=zone,
            repeated=self.choice(spec, "repeated", pointer, ("refuse", "earlier", "later"), "refuse"),
            skipped=self.choice(spec, "skipped", pointer, ("refuse", "forward"), "refuse"),
        )
