"""Mail into files, for the demo: in a folder, and in files, that their owner alone reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.mail.backends import filebased

from portal import private_state


class EmailBackend(filebased.EmailBackend):
    """Django's, but for the modes of what it makes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        private_state.make(Path(self.file_path))

    def open(self) -> bool:
        if self.stream is not None:
            return False
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.stream = os.fdopen(os.open(self._get_filename(), flags, 0o600), "ab")
        return True
