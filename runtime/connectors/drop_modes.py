"""Who may read what the runtime makes below a file drop: its own account alone, folders 0700 and files 0600, unless
`FILE_DROP_MODE` says otherwise, such as 0770 where the account that delivers is of the same group. What is there
already keeps its mode, and so does a file that somebody delivered."""

from __future__ import annotations

import os
import re
from pathlib import Path

SETTING = "FILE_DROP_MODE"
PRIVATE = 0o700
_MODE = re.compile(r"0?[0-2]?7[0-7][0-7]")


def wrong(text: str) -> str | None:
    """What a mode should be, where this is none."""
    if _MODE.fullmatch(text):
        return None
    return "is the mode of a folder that its owner reads, writes and enters, such as 0700, 0750 or 2770"


def folder_mode() -> int:
    text = os.environ.get(SETTING, "")
    return int(text, 8) if text and wrong(text) is None else PRIVATE


def make_folder(folder: Path) -> None:
    """Made where it is missing, whatever the umask is; those above it have to be there."""
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    folder.chmod(folder_mode())


def opened(path: str | os.PathLike[str], flags: int) -> int:
    """An opener for `open` that makes files with the mode of files."""
    return os.open(path, flags, folder_mode() & 0o666)
