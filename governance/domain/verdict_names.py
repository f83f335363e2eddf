"""Which APIs a verdict names, so that it is shown to nobody who may not see one of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_OF_REFERENCE: Final = re.compile(r"(?<![A-Za-z0-9_-])([A-Za-z0-9_-]{1,100})@")
_WHOLE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}\Z")
ANY_WORD: Final = "[^A-Za-z0-9_-]+"
"""What stands between the words of a verdict of before this was written down; each word may be an API."""


def names(question: Mapping[str, Any], evidence: Mapping[str, Any]) -> list[str]:
    """The slug of every API that they name: before the `@` of a version, as what another one needs, and in sentences
    each word, since anything may stand there."""
    texts, found = _written_in(question, evidence)
    for text in map(str, texts):  # each once: hundreds of consumers have the same few words
        if "@" in text:
            found.update(_OF_REFERENCE.findall(text))
        if " " in text:
            found.update(_SLUG.findall(text))
    return sorted(found)


def _written_in(*documents: Any) -> tuple[set[Any], set[str]]:
    """Every key and every text, and the keys that are APIs by their place."""
    texts: set[Any] = set()
    apis: set[str] = set()
    left = [(document, False) for document in documents]
    while left:
        value, keys_are_apis = left.pop()
        if isinstance(value, dict):
            texts.update(value)
            if keys_are_apis:
                apis.update(filter(_WHOLE.match, value))
            for key, member in value.items():
                if isinstance(member, str):
                    texts.add(member)
                elif isinstance(member, dict):
                    below = key == "dependencies"
                    left.append((member.get("items") if below else member, below))
                else:
                    left.append((member, False))
        elif isinstance(value, list | tuple):
            left.extend((member, False) for member in value)
        elif isinstance(value, str):
            texts.add(value)
    return texts, apis
