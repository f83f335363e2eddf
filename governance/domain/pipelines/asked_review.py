"""What a webhook asks for, in one shape for all providers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kernel.errors import Invalid, finding

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+")
LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class AskedReview:
    """One decision that a provider asks for. `key` is the same for every webhook that asks for the same one; it is made
    of signed parts of the body only. `place` is the provider's environment, or the branch that is merged into; `facts`
    holds the numbers that the answer needs."""

    key: str
    repository_id: int
    repository: str
    place: str
    sha: str
    ref: str
    facts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class NothingAsked:
    """A webhook that is well signed and asks for no decision. `over` names what nobody needs a decision about any more:
    the beginning of the keys."""

    why: str
    over: str = ""


class PayloadReader:
    """Takes members of a payload by their JSON Pointer. Raises Invalid `pipeline.payload`, which names the place."""

    def __init__(self, payload: Any) -> None:
        self._payload = payload

    def text(self, pointer: str, most: int = 255) -> str:
        value = self.find(pointer)
        if not isinstance(value, str) or not value.strip() or len(value) > most or "\x00" in value:
            raise refused(pointer, f"a text of 1 to {most} characters")
        return value

    def number(self, pointer: str) -> int:
        value = self.find(pointer)
        if type(value) is not int or not 0 < value <= LARGEST_NUMBER:
            raise refused(pointer, "a whole number above 0")
        return value

    def sha(self, pointer: str) -> str:
        value = self.find(pointer)
        if not isinstance(value, str) or _SHA.fullmatch(value) is None:
            raise refused(pointer, "the id of a commit: 40 or 64 hexadecimal digits")
        return value

    def repository(self, pointer: str) -> str:
        value = self.text(pointer)
        if _REPOSITORY.fullmatch(value) is None or {"..", "."} & set(value.split("/")):
            raise refused(pointer, "the path of a repository, such as retail/web-shop")
        return value

    def find(self, pointer: str) -> Any:
        value = self._payload
        for part in pointer.split("/")[1:]:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


def refused(pointer: str, wanted: str) -> Invalid:
    message = f"The webhook cannot be used: {pointer} is not {wanted}."
    return Invalid("pipeline.payload", message, {"findings": [finding(pointer, f"expected {wanted}")]})
