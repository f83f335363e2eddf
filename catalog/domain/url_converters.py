"""Path converters: what a version label and a contract digest look like in a URL."""

from __future__ import annotations


class LabelConverter:
    """A version label."""

    regex = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class DigestConverter:
    regex = r"sha256:[0-9a-f]{64}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value
