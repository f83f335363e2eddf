"""`python -m portal.file_checks FILE…`: what pre-commit asks of any text file.

One newline at the end, no blanks at the end of a line, no conflict marks; and TOML, YAML and JSON that can be read.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from kernel import bounded_yaml
from kernel.errors import DomainError

CONFLICT = re.compile(r"^(<{7} |={7}$|>{7} )", re.MULTILINE)


def problems(path: Path) -> Iterator[str]:
    """What is wrong with one file, a line each."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        yield f"{path}: not UTF-8"
        return
    if text and (not text.endswith("\n") or text.endswith("\n\n")):
        yield f"{path}: end it with one newline"
    for number, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip(" \t\r"):
            yield f"{path}:{number}: blanks at the end of the line"
    if CONFLICT.search(text):
        yield f"{path}: holds the marks of a merge conflict"
    yield from _unreadable(path, text)


def _unreadable(path: Path, text: str) -> Iterator[str]:
    try:
        if path.suffix in {".yaml", ".yml"}:
            bounded_yaml.load_all(text)
        elif path.suffix == ".toml":
            tomllib.loads(text)
        elif path.suffix == ".json":
            json.loads(text)
    except (DomainError, ValueError) as error:
        yield f"{path}: {str(error).splitlines()[0]}"


def main(given: Sequence[str]) -> int:
    found = [problem for name in given for problem in problems(Path(name))]
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
