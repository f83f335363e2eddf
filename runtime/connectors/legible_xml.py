"""The characters of an XML file as UTF-8, with a mark in place of each that cannot be read, so that one bad character
costs one transaction and not the file."""

from __future__ import annotations

import codecs
import io
import re
from typing import IO, Any

from runtime.connectors.charsets import by_mark, by_zeros, is_charset, is_utf8, single_byte
from runtime.connectors.shallow_xml import DEEP, LONG, TOO_DEEP, TOO_LONG

CHUNK = 32 * 1024
MARK = "\ufdd0"  # stands where bytes are not of the charset, or a character is none that XML has
GUESSED = "\ufdd1"  # stands where the charset has a control character and another one a letter
MARKS = re.compile(f"[{MARK}{GUESSED}{DEEP}{LONG}]")
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_CONTROLS = re.compile("[\x80-\x9f]")
_REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,8}));")


class IllegibleXml(Exception):
    """The file's charset is not known, or not the one that it declares; the message says what to do."""


class LegibleXml:
    """A file to read XML from. `marks` counts what was marked so far."""

    def __init__(self, source: IO[bytes], charset: str = "") -> None:
        raw: Any = source
        self.file = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw)
        self.marks, self._rest = 0, ""
        self.codec = _codec_of(self.file.peek(1024)[:1024], charset)
        keeps = _codec(self.codec).startswith("utf-8") or single_byte(self.codec)
        self.single = single_byte(self.codec)
        self._decoder: Any = codecs.getincrementaldecoder(self.codec)("surrogateescape" if keeps else "replace")
        self._replaces = not keeps

    def read(self, size: int = -1) -> bytes:
        """About so many bytes, and at least one unless the file has ended."""
        while True:
            chunk = self.file.read(size if size > 0 else CHUNK)
            try:
                decoded = self._decoder.decode(chunk, final=not chunk)
            except UnicodeError:
                raise IllegibleXml(f"it cannot be read as {self.codec}, the charset that it declares") from None
            text = self._legible(decoded, last=not chunk)
            if self.single:
                self._check(chunk)
            if text or not chunk:
                return text.encode()

    def _legible(self, text: str, *, last: bool) -> str:
        text = self._rest + text
        self._rest = ""
        cut = text.rfind("&", -12)
        if cut >= 0 and not last and ";" not in text[cut:]:
            text, self._rest = text[:cut], text[cut:]
        if self._replaces and "\ufffd" in text:
            text = text.replace("\ufffd", MARK)
        text, illegal = _ILLEGAL.subn(MARK, text)
        guessed = 0
        if self.single:
            text, guessed = _CONTROLS.subn(GUESSED, text)
        if "&#" in text:
            text = _REFERENCE.sub(self._reference, text)
        self.marks += illegal + guessed + text.count(MARK)
        return text

    def _reference(self, found: re.Match[str]) -> str:
        code = int(found[1], 16) if found[1] else int(found[2])
        legal = code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
        return found[0] if legal else MARK

    def _check(self, chunk: bytes) -> None:
        if is_utf8(chunk[max(chunk.find(b"<"), 0) : chunk.rfind(b">") + 1]):
            raise IllegibleXml(f"it declares the charset {self.codec} and is UTF-8; the writer has to declare UTF-8")


def _codec_of(head: bytes, charset: str) -> str:
    """Of a file by its first bytes and the charset that came with it. Raises IllegibleXml where they contradict."""
    if codec := by_mark(head, by_zeros(head[:4])):
        return codec
    declared = _DECLARED.search(head)
    named = charset or (declared[1].decode("ascii") if declared else "utf-8")
    codec = _codec(named)
    if (first := head.lstrip()[:1]) == b"<" and (b"<".decode(codec, "replace") != "<" or _wide(codec)):
        said = "is written in ASCII or UTF-8; the writer has to declare that"
        raise IllegibleXml(f"it declares the charset {named} and {said}")
    return named if first else "utf-8"


def _wide(codec: str) -> bool:
    """Whether its characters have two bytes or four."""
    return len("<".encode(codec)) > 1


def _codec(name: str) -> str:
    if not is_charset(name):
        raise IllegibleXml(f"it declares the charset {name[:40]}, which is not known")
    return codecs.lookup(name).name


def illegible(text: str) -> str:
    """What is wrong with a piece of XML that holds marks; empty when it holds none."""
    found = MARKS.search(text)
    if not found:
        return ""
    if DEEP in text:
        return TOO_DEEP
    if LONG in text:
        return TOO_LONG
    if found[0] == GUESSED:
        return "it has control characters instead of letters; the file is probably windows-1252 and declares another"
    return "it holds a character that cannot be read (bytes of another charset, or one that XML does not allow)"
