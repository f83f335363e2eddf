"""Which characters the bytes of a source are: a byte order mark says it, else a declaration, else UTF-8; and whether
that can be true. Text of a wrong charset is never stored as if it were right where it can be known."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import NamedTuple

from runtime.connectors.protocols import Refused

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = re.compile("[\x80-\x9f]")
_ESCAPED = re.compile("[\ud800-\udfff]")
_KEPT = "tillgate-kept"
_NO_CHARSETS = frozenset(("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"))
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s"';]+)""", re.IGNORECASE)


class JsonBody(NamedTuple):
    """JSON as UTF-8. `converted`: the charset that it came in, empty for UTF-8; `warning`: what was odd about it."""

    data: bytes
    converted: str = ""
    warning: str = ""


@lru_cache(maxsize=64)
def single_byte(name: str) -> bool:
    """Whether a codec is one of those that extend ASCII by 128 characters, one byte each."""
    try:
        upper, plain = bytes(range(128, 256)).decode(name, "replace"), bytes(range(32, 127))
        return len(upper) == 128 and upper.count("\ufffd") < 64 and plain.decode(name) == plain.decode("ascii")
    except (LookupError, UnicodeError):
        return False


def by_mark(head: bytes, named: str) -> str:
    """The codec that the first bytes name, else the given one."""
    return next((codec for mark, codec in _MARKS if head.startswith(mark)), named)


def _keep(error: UnicodeError) -> tuple[str, int]:
    """As `surrogateescape`, for charsets in which bytes below 0x80 can be wrong, too (UTF-16, Shift JIS)."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_KEPT, _keep)


def is_charset(name: str) -> bool:
    """Whether Python can decode text with it; `hex`, `idna` and the like are codecs and no charsets."""
    try:
        if codecs.lookup(name).name.replace("_", "-") in _NO_CHARSETS:
            return False
        return isinstance("".encode(name), bytes) and b"".decode(name) == ""
    except (LookupError, ValueError):
        return False


def _extends_ascii(codec: str) -> bool:
    return codec in ("utf-8", "utf-8-sig") or single_byte(codec)


def errors_of(codec: str) -> str:
    """How a decoder keeps bytes that are not of its charset: as surrogate escapes, which `misread` finds."""
    return "surrogateescape" if _extends_ascii(codec) else _KEPT


def raw_bytes(text: str, codec: str) -> bytes:
    """A piece of a decoded file as it is shown to people: the bytes that came, where the charset extends ASCII, else
    UTF-8 with a question mark for what could not be decoded."""
    if _extends_ascii(codec):
        return text.encode("utf-8" if codec == "utf-8-sig" else codec, "surrogateescape")
    return text.encode("utf-8", "replace")


def is_utf8(raw: bytes) -> bool:
    """Whether bytes beyond ASCII are UTF-8: in text of another charset they practically never are."""
    if raw.isascii():
        return False
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def misread(text: str, codec: str) -> str:
    """Why a text that was decoded (undecodable bytes kept as surrogate escapes) is not what it seems; empty when
    nothing speaks against it."""
    if text.isascii():
        return ""
    if found := _ESCAPED.search(text):
        byte = f"byte {ord(found[0]) - 0xDC00:#04x}" if found[0] >= "\udc00" else "half a surrogate pair"
        if codec.startswith(("utf-16", "utf-32")):
            return f"it holds half a character ({byte}, which is none in {codec}); correct it at the source"
        return f"it is not {codec} ({byte}); name the charset that it really has"
    if not single_byte(codec):
        return ""
    if is_utf8(text.encode(codec, "replace")):
        return f"it was read as {codec}, and its bytes are UTF-8; name utf-8 as its charset"
    if _CONTROLS.search(text):
        return f"read as {codec} it has control characters instead of letters; it is probably windows-1252 (cp1252)"
    return ""


def json_body(body: bytes, content_type: str, setting: str | None) -> JsonBody:
    """The body of an answer as UTF-8, without byte order mark. JSON is UTF-8 (RFC 8259 §8.1); a declared charset counts
    where the bytes are not. Bytes that are not of that charset stay, so that the rows that hold them are found out.
    Raises Refused for a charset that is not known."""
    codec = by_mark(body[:4], by_zeros(body[:4]))
    if codec == "utf-8-sig":
        return JsonBody(body[3:])
    if codec:
        return JsonBody(body.decode(codec, "surrogatepass").encode("utf-8", "surrogatepass"), codec)
    declared = _CHARSET.search(content_type)
    named = setting or (declared[1] if declared else "")
    if not named or body.isascii() or named.lower().replace("_", "-") in ("utf-8", "utf8"):
        return JsonBody(body)
    if not is_charset(named):
        raise Refused(
            "response.charset", f"The answer declares the charset {named!r}, which is not known; set 'charset' instead."
        )
    if is_utf8(body):
        return JsonBody(body, "", f"the answer declares the charset {named} and is UTF-8; it was read as UTF-8")
    if _extends_ascii(named):
        return JsonBody(body.decode(named, "surrogateescape").encode("utf-8", "surrogateescape"), named)
    return JsonBody(body.decode(named, _KEPT).encode("utf-8", "surrogatepass"), named)


def converted_badly(row: bytes, converted: str) -> str:
    """What `misread` says of a row of a body that was converted to UTF-8."""
    if not converted or row.isascii():
        return ""
    return misread(row.decode("utf-8", "surrogateescape"), converted)


def by_zeros(head: bytes) -> str:
    """UTF-16 and UTF-32 without a mark: JSON and XML begin with two ASCII characters (RFC 4627 §3)."""
    if len(head) < 4:
        return ""
    zeros = [byte == 0 for byte in head]
    patterns = {
        (True, True, True, False): "utf-32-be",
        (False, True, True, True): "utf-32-le",
        (True, False, True, False): "utf-16-be",
        (False, True, False, True): "utf-16-le",
    }
    return patterns.get((zeros[0], zeros[1], zeros[2], zeros[3]), "")
