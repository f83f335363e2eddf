"""A tone, its icon and its word are one value, so that no template decides and no meaning hangs on colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Name = Literal["ok", "wait", "stop", "quiet", "accent"]

_ICONS: dict[str, str] = {"ok": "ok", "wait": "wait", "stop": "stop", "quiet": "quiet", "accent": "right"}


@dataclass(frozen=True, slots=True)
class Tone:
    """`tone` names the colour pair of the style sheet, `icon` a symbol of the sprite, `word` what people read."""

    tone: Name
    word: str
    icon: str = ""

    def __post_init__(self) -> None:
        if not self.icon:
            object.__setattr__(self, "icon", _ICONS[self.tone])


def ok(word: str, icon: str = "") -> Tone:
    return Tone("ok", word, icon)


def wait(word: str, icon: str = "") -> Tone:
    return Tone("wait", word, icon)


def stop(word: str, icon: str = "") -> Tone:
    return Tone("stop", word, icon)


def quiet(word: str, icon: str = "") -> Tone:
    return Tone("quiet", word, icon)
