"""What `docker build` would do, read from `.dockerignore` and `deploy/Dockerfile` without an engine.

Patterns as Docker reads them: a path is left out when the last pattern that matches it or one of its folders has no
`!`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath


def _pattern(text: str) -> re.Pattern[str]:
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", text.strip("/"))
    return re.compile("".join(words.get(piece, re.escape(piece)) for piece in pieces))


def sent_to_the_builder(paths: Iterable[str], dockerignore: str) -> list[str]:
    """Those of `paths` (relative to the repository) that are part of the build's context."""
    lines = [line.strip() for line in dockerignore.splitlines()]
    rules = [
        (_pattern(line.removeprefix("!")), line.startswith("!")) for line in lines if line and not line.startswith("#")
    ]

    def kept(path: str) -> bool:
        sent = True
        names = [path, *(str(folder) for folder in PurePosixPath(path).parents if str(folder) != ".")]
        for pattern, keeps in rules:
            if any(pattern.fullmatch(name) for name in names):
                sent = keeps
        return sent

    return [path for path in paths if kept(path)]


@dataclass
class Stage:
    """One FROM of a Dockerfile with its instructions, continuation lines joined."""

    image: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, keyword: str) -> list[str]:
        return [text for word, text in self.instructions if word == keyword]

    def copied(self, context: Iterable[str]) -> list[str]:
        """The files of the context that its COPY lines name; COPY from another stage copies none."""
        context = list(context)
        taken: set[str] = set()
        for text in self.all("COPY"):
            *sources, _ = [word for word in shlex.split(text) if not word.startswith("--")]
            if "--from=" in text:
                continue
            for source in (PurePosixPath(source).as_posix() for source in sources):
                taken |= {p for p in context if source == "." or p == source or p.startswith(f"{source}/")}
        return sorted(taken)


def stages(dockerfile: str) -> list[Stage]:
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    found: list[Stage] = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        word, _, text = line.strip().partition(" ")
        if word == "FROM":
            found.append(Stage(text))
        elif word:
            found[-1].instructions.append((word, text))
    return found
