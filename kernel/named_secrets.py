"""Secrets that the web process may read: by a name that stands in their place, and only by names that are meant for one
purpose. A person who writes a name must not be
able to name any other variable or file of this server."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from kernel.errors import Unavailable

LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class SecretNames:
    """Variables that begin with `prefix`, files of the folder that the setting `folder` names; `code` of the error."""

    prefix: str
    folder: str
    code: str

    @property
    def said(self) -> str:
        """How a name looks, for a person."""
        return f"env:{self.prefix}<NAME>, or file:<name> of a file in the folder {self.folder}"

    def is_name(self, reference: str) -> bool:
        variable = rf"env:{re.escape(self.prefix)}[A-Z0-9_]{{1,100}}"
        return re.fullmatch(rf"{variable}|file:[A-Za-z0-9][A-Za-z0-9._-]{{0,99}}", reference) is not None

    def read(self, reference: str) -> str:
        """The secret. Raises Unavailable with `code`, which says the name and never the secret."""
        if not self.is_name(reference.strip()):
            raise self.unusable(reference, "is no name of a secret that may be used here")
        scheme, _, name = reference.strip().partition(":")
        value = os.environ.get(name, "") if scheme == "env" else self._file(reference, name)
        if not value.strip():
            raise self.unusable(reference, "is not set on this server")
        return value.strip()

    def _file(self, reference: str, name: str) -> str:
        folder: str = getattr(settings, self.folder)
        if not folder:
            raise self.unusable(reference, f"cannot be read: the setting {self.folder} names no folder")
        try:
            with (Path(folder).resolve() / name).open(encoding="utf-8") as file:
                return file.read(LARGEST)
        except (OSError, UnicodeDecodeError):
            raise self.unusable(reference, "cannot be read on this server") from None

    def unusable(self, reference: str, why: str) -> Unavailable:
        return Unavailable(self.code, f"The secret {reference!r} {why}.")
