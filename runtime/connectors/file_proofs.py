"""Checksum files: beside `sales.csv` stands `sales.csv.sha256` with the checksum of its content, as `sha256sum` and its
kin write it, and says that it is complete as well."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from runtime.connectors.file_moves import CHUNK

LARGEST = 4096  # bytes of a checksum file that are looked at
_BY_LENGTH = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
_SUM = re.compile(r"(?<![0-9a-fA-F])([0-9a-fA-F]{32,128})(?![0-9a-fA-F])")


def contradiction(path: Path, stated: bytes) -> str:
    """Why a file is not what its checksum file says; empty where it is."""
    found = {one.lower() for one in _SUM.findall(stated[:LARGEST].decode("utf-8", "replace")) if len(one) in _BY_LENGTH}
    if len(found) != 1:
        return f"its checksum file holds {'no checksum' if not found else f'{len(found)} checksums'}"
    said = found.pop()
    digest = hashlib.new(_BY_LENGTH[len(said)], usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    if digest.hexdigest() == said:
        return ""
    return f"its checksum file says {said[:16]}… ({digest.name}), and its content has {digest.hexdigest()[:16]}…"


__all__ = ["LARGEST", "contradiction"]
