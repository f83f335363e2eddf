"""A folder of files as a source, for the tests of what may lie in one."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from runtime.connectors.protocols import CallContext, CallError, Cursor
from runtime.connectors.registry import open_source
from tests.runtime.connectors.conformance import call


@dataclass
class Looked:
    """What one run has read and said; `failure` where it ended as failed."""

    ids: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failure: str = ""


class Folder:
    """Files with one row each, and runs over them; the cursor is kept as JSON, as the ledger keeps it."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root, self.cursor = root, "null"
        self.settings = {"root": str(root), "format": "jsonl", "key_fields": ["id"], "quiet": 0.0, **settings}
        (root / "incoming").mkdir(parents=True, exist_ok=True)

    def put(self, name: str | bytes, *ids: str, folder: str = "incoming") -> Path:
        path = self.root / folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f'{{"id": "{one}"}}\n' for one in ids))
        return path

    def circumstances(self) -> CallContext:
        return call()

    def open(self) -> Any:
        return open_source("file_drop", self.settings)

    def run(self) -> Looked:
        found, source = Looked(), self.open()
        try:
            for _ in range(50):
                cursor: Cursor = json.loads(self.cursor)
                page = source.read(cursor, call=self.circumstances())
                self.cursor = json.dumps(page.cursor, ensure_ascii=False)
                self.cursor.encode()  # half a surrogate pair cannot be stored, and NUL neither
                assert "\\u0000" not in self.cursor
                found.ids += [record.key for record in page.records]
                found.rejected += [one.reason for one in page.rejected]
                found.warnings += page.warnings
                found.failure = getattr(page, "trouble", "")
                for text in (*found.rejected, *found.warnings, found.failure):
                    text.encode()
                if page.done:
                    return found
        except CallError as error:
            found.failure = str(error)
            return found
        finally:
            source.close()
        raise AssertionError("the run does not end")

    def names(self, folder: str) -> list[str]:
        """Names in a folder and below, without the checksums."""
        found = [path for path in (self.root / folder).rglob("*") if path.is_file() or path.is_symlink()]
        found = [path for path in found if path.name not in (".now", ".looks")]  # what a reader keeps on a server
        return sorted(path.name.rpartition(".")[0] if folder != "incoming" else path.name for path in found)

    def archived(self) -> list[bytes]:
        """The bytes of the names that archived files came with."""
        return sorted(unquote_to_bytes(name) for name in self.names("archive"))
