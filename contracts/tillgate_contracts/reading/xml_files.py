"""The files of a WSDL or XML Schema: imports and includes below the contract's folder. The network is never asked."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from tillgate_contracts.errors import ContractError
from tillgate_contracts.reading.limits import Clock, ReadingLimits, too_many
from tillgate_contracts.reading.text import decode
from tillgate_contracts.reading.xml_text import parse_xml

_MAX_DEPTH = 160


class XmlFiles:
    """Loads further files, each once, within the limits of the whole contract."""

    def __init__(self, name: str | None, base_dir: Path | None, limits: ReadingLimits, clock: Clock) -> None:
        self.base = base_dir.resolve() if base_dir is not None else None
        self.main = PurePosixPath((name or "").replace("\\", "/")).as_posix()
        self.limits = limits
        self.clock = clock
        self.roots: dict[str, Any] = {}
        self.size = 0
        self.elements = 0

    def count(self, root: Any) -> None:
        """Counts the elements and attributes of a file into the bound of the contract."""
        for node in root.iter():
            self.elements += 1 + len(node.attrib)
            if self.elements > self.limits.max_values:
                raise too_many(node.sourceline or 0, self.limits)
            if not self.elements % 4096:
                self.clock.check(node.sourceline or 0)

    def load(self, location: str, file: str) -> tuple[str, Any] | tuple[str, str]:
        """(path, root element) of a file that another one (`file`, "" for the contract itself) names, or (code of the
        problem, sentence)."""
        parts = urlsplit(location)
        if parts.scheme or location.startswith("//"):
            return "ref.network", f"{location} is on the network, and nothing is fetched. Put it beside the contract."
        if self.base is None:
            hint = "copy its schema into <types> of the WSDL, beside the others, or give the folder of the files"
            return "ref.external", f"{location} is missing: {hint}."
        here = self.base / PurePosixPath(file or self.main).parent
        try:
            full = (here / unquote(parts.path)).resolve()
        except (OSError, ValueError, RuntimeError):
            return "ref.unreadable", f"{location[:120]!r} is not a file name."
        if not full.is_relative_to(self.base):
            return "ref.outside", f"{location} lies outside the contract's folder and is not read."
        name = full.relative_to(self.base).as_posix()
        if name in self.roots:
            return name, self.roots[name]
        if len(self.roots) >= self.limits.max_files:
            return "ref.too_many_files", f"{name} is not read: there are more than {self.limits.max_files} files."
        try:
            size = full.stat().st_size
            if not full.is_file() or self.size + size > self.limits.max_bytes:
                return "ref.unreadable", f"{name} is not a plain file, or makes the contract too large."
            root = parse_xml(decode(full.read_bytes(), self.limits), self.limits)
        except OSError as error:
            return "ref.unreadable", f"{name} cannot be read: {error.strerror or error}."
        except ContractError as error:
            return "ref.unreadable", f"{name} cannot be read: {error.message}"
        self.size += size
        self.count(root)
        self.roots[name] = root
        return name, root
