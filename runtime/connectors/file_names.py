"""Names of files that others chose: shown, stored and kept on disk, whatever bytes they are.

A name on disk is any bytes but `/` and NUL; text in the database and on a page is not. What is no legible UTF-8 is
written as `%XX`, byte by byte, and `%` itself as `%25` where two hex digits follow it, so that the bytes can be had
back (`urllib.parse.unquote_to_bytes`). A card number in a name loses its middle; the checksum behind a stored name
tells two of them apart.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from kernel.card_data import MaskedCards, masked_text
from kernel.card_forms import found_in, plain, replaced

_PERCENT = re.compile("%(?=[0-9A-Fa-f]{2})")
# Control characters, separators of lines, what turns the direction of text, and bytes that are no UTF-8.
_ILLEGIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SUM = re.compile(r"\.[0-9a-f]{12}(\.[0-9]{1,4})?$")
_ROOM = 48  # bytes behind the stem of a stored name: checksum, number, `.reason.txt`, the beginning of a copy's name
_SUMMED = 18  # bytes of a checksum and a number behind a stem
_END = 24  # bytes of the end of a long name that are kept, for that is where it says what it is


def shown(name: str | Path) -> str:
    """A name as text that can be shown and stored, without card numbers."""
    return _ILLEGIBLE.sub(_escaped, _PERCENT.sub("%25", _without_cards(str(name))))


def _without_cards(name: str) -> str:
    """The middle of a card number as `x`, for not every file system takes an asterisk. Underscores part what is said in
    a name, and no groups of a number."""
    if not (found := found_in(plain(name).replace("_", "\1"))):
        return name
    return replaced(name, [one._replace(shown=one.shown.replace("*", "x")) for one in found])


def legible(text: str) -> str:
    """Text about a file, as it can be stored, without card numbers."""
    text = masked_text(text, MaskedCards())
    return _ILLEGIBLE.sub(lambda found: "\n" if found[0] == "\n" else "?", text)


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in os.fsencode(found[0]))


def said(error: OSError) -> str:
    """What the operating system says, and of which files."""
    names = [shown(os.fsdecode(one)) for one in (error.filename, error.filename2) if isinstance(one, str | bytes)]
    return f"{' to '.join(names)}: {why(error)}" if names else why(error)


def why(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def longest_stem(folder: Path) -> int:
    """Bytes that the stem of a stored name may have on the file system of a folder."""
    try:
        most = os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        most = 255
    return max(min(most, 255), 128) - _ROOM


def stem_of(parts: Sequence[str], longest: int) -> tuple[str, bool]:
    """The stem of the name under which a file is kept, from its path in the folder where it arrived, and whether it is
    a shortened one. That has a digest of the whole path in it, so that two long names are not taken for one."""
    flat = shown("__".join(parts))
    if flat.startswith("."):
        flat = f"%2E{flat[1:]}"
    if len(flat.encode()) <= longest:
        return flat, False
    mark = f"~{hashlib.sha256(os.fsencode('/'.join(parts))).hexdigest()[:10]}~"
    begin = flat.encode()[: longest - len(mark) - _END].decode("utf-8", "ignore")
    return f"{begin}{mark}{flat.encode()[-_END:].decode('utf-8', 'ignore')}", True


def without_sum(name: str) -> str:
    """The name that a file had before it was read: files are put back from the archive, to be read again."""
    return _SUM.sub("", name) or name


def is_stored(name: str, longest: int) -> bool:
    """Whether a file may be kept under this name: it can be stored, no card number stands in it, and there is room for
    what is put behind it."""
    fits = not _ILLEGIBLE.search(name) and len(os.fsencode(name)) <= longest + _SUMMED
    return fits and _without_cards(name) == name


def sum_in(name: str) -> str:
    """The beginning of the checksum that a stored name ends with; empty where it has none."""
    found = re.search(r"\.([0-9a-f]{12})$", name)
    return found[1] if found else ""


def wanted(name: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns fits: letters with accents count alike, composed or not."""
    names = {_composed(name), _composed(without_sum(name))}
    return any(fnmatchcase(one, _composed(pattern)) for pattern in patterns for one in names)


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)
