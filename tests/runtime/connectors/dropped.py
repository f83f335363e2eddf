"""One file in a folder of its own, read to its end, for tests of what the formats of files hold."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from runtime.connectors.protocols import Record, RejectedRecord
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call, read_all


def read_files(files: dict[str, bytes | str], **settings: Any) -> tuple[list[Record], list[RejectedRecord], list[str]]:
    """Records, rejections, and the names that lie in quarantine afterwards (without checksums)."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "incoming").mkdir()
        for name, content in files.items():
            (root / "incoming" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        source = open_source("file_drop", {"root": folder, "quiet": 0.0, "patience": 0.0, **settings})
        try:
            pages = read_all(source, circumstances=call())
        finally:
            source.close()
        aside = [one.name for one in (root / "quarantine").iterdir() if not one.name.endswith(".reason.txt")]
    records = [one for page in pages for one in page.records]
    rejected = [one for page in pages for one in page.rejected]
    return records, rejected, [name.rpartition(".")[0] for name in aside]


def read_file(content: bytes | str, name: str = "a.dat", **settings: Any) -> tuple[list[Any], list[str]]:
    """Payloads of the records as data, and the reasons of rejections."""
    records, rejected, _ = read_files({name: content}, **settings)
    return [json.loads(one.payload) for one in records], [one.reason for one in rejected]
