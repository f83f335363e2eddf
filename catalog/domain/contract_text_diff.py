"""Two contracts as text: only the parts that differ, as YAML, with three lines around each difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final, Literal

import yaml

Op = Literal["hunk", "same", "del", "add"]
AROUND: Final = 3
MAX_LINES: Final = 3000
_MAX_PART: Final = 4000


@dataclass(frozen=True, slots=True)
class TextLine:
    """`old` and `new` are line numbers inside the part, None on the side where the line is not."""

    op: Op
    text: str
    old: int | None = None
    new: int | None = None

    @property
    def sign(self) -> str:
        return {"del": "−", "add": "+"}.get(self.op, " ")


def parts(tree: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    """A document cut at its named things: components/schemas/Price, paths//orders, info …"""
    found: dict[tuple[str, ...], Any] = {}
    for key, value in tree.items():
        if key in ("paths", "channels", "operations", "webhooks", "$defs", "definitions", "messages") and isinstance(
            value, dict
        ):
            found |= {(key, name): item for name, item in value.items()}
        elif key == "components" and isinstance(value, dict):
            for section, items in value.items():
                if isinstance(items, dict):
                    found |= {(key, section, name): item for name, item in items.items()}
                else:
                    found[(key, section)] = items
        else:
            found[(key,)] = value
    return found


def text_differences(old: dict[str, Any], new: dict[str, Any]) -> tuple[list[TextLine], int]:
    """The lines to show, and how many differing parts were left out because there are too many."""
    before, after = parts(old), parts(new)
    lines: list[TextLine] = []
    left_out = 0
    for key in [*before, *(k for k in after if k not in before)]:
        if before.get(key) == after.get(key) and key in before and key in after:
            continue
        if len(lines) > MAX_LINES:
            left_out += 1
            continue
        lines.append(TextLine("hunk", " / ".join(key)))
        lines += _part(_yaml(key, before), _yaml(key, after))
    return lines, left_out


def _yaml(key: tuple[str, ...], side: dict[tuple[str, ...], Any]) -> list[str]:
    if key not in side:
        return []
    text = yaml.dump(
        {key[-1]: side[key]}, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=140, default_flow_style=False
    )
    return str(text).splitlines()[:_MAX_PART]


class _Plain(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _part(old: list[str], new: list[str]) -> Iterator[TextLine]:
    matcher = (
        SequenceMatcher(None, old, new, autojunk=False)
        if len(old) * len(new) < 4_000_000
        else SequenceMatcher(None, old, new)
    )
    first = True
    for group in matcher.get_grouped_opcodes(AROUND):
        if not first:
            yield TextLine("hunk", "…")
        first = False
        for op, a1, a2, b1, b2 in group:
            if op == "equal":
                for n in range(a2 - a1):
                    yield TextLine("same", old[a1 + n], a1 + n + 1, b1 + n + 1)
            else:
                for n in range(a1, a2):
                    yield TextLine("del", old[n], n + 1, None)
                for n in range(b1, b2):
                    yield TextLine("add", new[n], None, n + 1)
